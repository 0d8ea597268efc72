"""From a frame to exactly one result: asked again while it may help, then done without a server."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import tenacity
from numpy.typing import NDArray

from splittool.data.images import Pixels
from splittool.errors import DeviceError, FrameError, StoppedError
from splittool.serving.answer import Subject, decode_answer
from splittool.serving.connection import Connection, FinalError, TimedOutError, TransientError
from splittool.serving.question import MASKS, Question
from splittool.split.segmentation import Segmentation

Fallback = Literal["edge", "wait", "fail"]
How = Literal["server", "edge", "dropped"]

_BELIEVED = 4  # refusals in a row, after which a refusal is not a damaged byte
_DOWN_SECONDS = 1.0  # how long a server that does not answer is left alone


@dataclass
class Parcel:
    """One image on its way.

    Attributes:
        frame_id: Its number, which it keeps for good.
        name: Of its file or picture.
        pixels: (H, W, 3) of it.
        taken: When it was there, by `perf_counter`.
        tensors: The crossing tensors.
        frame: The bytes on the link.
        bits: Bits of an element in them; None where they differ.
        cut_id: Of the frame.
    """

    frame_id: int
    name: str
    pixels: Pixels
    taken: float = field(default_factory=perf_counter)
    tensors: list[NDArray[Any]] = field(default_factory=list)
    frame: bytes = b""
    bits: int | None = None
    cut_id: bytes = b""


@dataclass(frozen=True)
class Result:
    """What became of it.

    Attributes:
        parcel: The image.
        how: The server's answer, the whole network on the edge, or dropped because it was late.
        found: The masks; None if it was dropped.
        attempts: How often it was sent.
        round_trip_ms: Time of the call that was answered; None without one.
        latency_ms: From the image's arrival to its masks.
        answer_bytes: Bytes of the answer.
        late: Whether that was more than the deadline.
    """

    parcel: Parcel
    how: How
    found: Segmentation | None
    attempts: int
    round_trip_ms: float | None
    latency_ms: float
    answer_bytes: int
    late: bool


@dataclass(frozen=True)
class Policy:
    """What to do when the server or the link is slow or not there.

    Attributes:
        fallback: "edge" runs the whole network here, "wait" goes on asking, "fail" gives up.
        patience: Seconds until a server that does not answer is given up; not for "wait".
        timeout: Seconds to wait for one answer.
        deadline: Seconds from an image's arrival in which its masks should be there, or None.
        drop_late: Do not send what is late already.
        threshold: Probability from which a pixel belongs to a class.
    """

    fallback: Fallback = "wait"
    patience: float = 10.0
    timeout: float = 10.0
    deadline: float | None = None
    drop_late: bool = False
    threshold: float = 0.5


class Deliverer:
    """Delivers parcels over a connection; several threads may.

    Args:
        connection: To the server.
        model: Its name and version there.
        classes: Number of classes; 0 believes the answer.
        policy: What to do when it does not answer.
        alone: Runs the tail here, for the fallback "edge".
    """

    def __init__(
        self,
        connection: Connection,
        model: tuple[str, str],
        classes: int,
        policy: Policy,
        alone: Callable[[Parcel], Segmentation] | None = None,
    ) -> None:
        self._connection, self._model, self._classes = connection, model, classes
        self._policy, self._alone = policy, alone
        self._down_until = 0.0
        self._usual = 0.0  # seconds that an answer takes
        self.stopped = threading.Event()

    def stop(self) -> None:
        """Give up what is under way."""
        self.stopped.set()
        threading.Thread(target=self._connection.close, daemon=True).start()

    def deliver(self, parcel: Parcel) -> Result:
        """What becomes of one parcel.

        Raises:
            DeviceError: The server does not answer, and the fallback is "fail".
            SplittoolError: It refuses the frame for good.
            StoppedError: `stop` was called.
        """
        self._require_running()
        if self._policy.drop_late and self._is_late(parcel):
            return self._result(parcel, "dropped", _Tries())
        if self._alone is not None and perf_counter() < self._down_until:
            return self._result(parcel, "edge", _Tries(), self._alone(parcel))
        tries = _Tries()
        try:
            return self._retrying(parcel)(self._ask, parcel, tries)
        except TransientError as error:
            return self._unanswered(parcel, tries, error)

    def _retrying(self, parcel: Parcel) -> tenacity.Retrying:
        policy = self._policy
        stops: list[Any] = [lambda state: self.stopped.is_set()]
        if policy.fallback != "wait":
            stops.append(tenacity.stop_after_delay(policy.patience))
        if policy.drop_late or self._alone is not None:
            stops.append(lambda state: self._is_late(parcel))
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=1.0),
            stop=tenacity.stop_any(*stops),
            sleep=tenacity.sleep_using_event(self.stopped),
            reraise=True,
        )

    def _ask(self, parcel: Parcel, tries: "_Tries") -> Result:
        """Send it once, and compare the answer with what was asked."""
        self._require_running()
        policy, (height, width) = self._policy, parcel.pixels.shape[:2]
        question = Question(parcel.frame, height, width, policy.threshold, MASKS)
        about = Subject(
            parcel.cut_id, parcel.frame_id, height, width, policy.threshold, self._classes
        )
        tries.sent += 1
        began = perf_counter()
        try:
            identity = str(parcel.frame_id)
            answer = self._connection.ask(self._model, identity, question, self._timeout(tries))
            found = decode_answer(answer, about)
        except TimedOutError:
            tries.timed_out += 1
            raise
        except FrameError as error:  # damaged on its way: what was asked is good
            raise TransientError(str(error)) from None
        except FinalError as error:
            tries.refused += 1
            if tries.refused >= _BELIEVED:
                raise error.error from None
            raise TransientError(str(error)) from None
        self._usual = 0.9 * self._usual + 0.1 * (perf_counter() - began)
        tries.round_trip_ms = (perf_counter() - began) * 1e3
        return self._result(parcel, "server", tries, found, len(answer))

    def _timeout(self, tries: "_Tries") -> float:
        """Longer after each time it was too short: asking a slow server again makes it slower."""
        usual = max(self._policy.timeout, 4 * self._usual)
        return usual * float(1 << min(tries.timed_out, 6))

    def _unanswered(self, parcel: Parcel, tries: "_Tries", error: TransientError) -> Result:
        """What becomes of a parcel that the server did not answer in time."""
        self._require_running()
        if self._policy.drop_late and self._is_late(parcel):
            return self._result(parcel, "dropped", tries)
        if self._alone is not None:
            self._down_until = perf_counter() + _DOWN_SECONDS
            return self._result(parcel, "edge", tries, self._alone(parcel))
        raise DeviceError(
            f"{error}; no answer to frame {parcel.frame_id} ({parcel.name}) in"
            f" {self._policy.patience:g} s and {tries.sent} tries: start the server, give more"
            " `patience`, or another `fallback`"
        )

    def _result(
        self,
        parcel: Parcel,
        how: How,
        tries: "_Tries",
        found: Segmentation | None = None,
        answer_bytes: int = 0,
    ) -> Result:
        return Result(
            parcel=parcel,
            how=how,
            found=found,
            attempts=tries.sent,
            round_trip_ms=tries.round_trip_ms,
            latency_ms=(perf_counter() - parcel.taken) * 1e3,
            answer_bytes=answer_bytes,
            late=self._is_late(parcel),
        )

    def _is_late(self, parcel: Parcel) -> bool:
        deadline = self._policy.deadline
        return deadline is not None and perf_counter() - parcel.taken > deadline

    def _require_running(self) -> None:
        if self.stopped.is_set():
            raise StoppedError("stopped; what was answered is kept")


@dataclass
class _Tries:
    """How often a parcel was sent, refused and not answered; the time of the call that was."""

    sent: int = 0
    refused: int = 0
    timed_out: int = 0
    round_trip_ms: float | None = None
