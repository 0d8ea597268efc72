"""The service that edges call: requests from anybody in, masks or a clear refusal out."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Any, NoReturn

from grpc import StatusCode
from grpc.aio import ServicerContext
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceServicer

from splittool import __version__
from splittool.errors import (
    DamagedFrameError,
    FrameError,
    InputError,
    MissingExtraError,
    OtherCutError,
)
from splittool.serving.models import Answered, Repository, ServedModel, UnknownModelError
from splittool.serving.observation import Observer, tell
from splittool.serving.protocol import masks_response, probabilities_response, read_request
from splittool.serving.question import FRAME, MASKS, PROBABILITIES

_PLATFORM = "splittool"
# The first that fits; what none fits is a defect of this server.
_CODES: list[tuple[type[BaseException], StatusCode]] = [
    (UnknownModelError, StatusCode.NOT_FOUND),
    (OtherCutError, StatusCode.FAILED_PRECONDITION),
    (DamagedFrameError, StatusCode.DATA_LOSS),
    (FrameError, StatusCode.INVALID_ARGUMENT),
    (InputError, StatusCode.INVALID_ARGUMENT),
    (MissingExtraError, StatusCode.UNIMPLEMENTED),
    (MemoryError, StatusCode.RESOURCE_EXHAUSTED),
]


class _RefusedError(Exception):
    """A request that is refused before it costs anything."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Desk:
    """Takes frames as long as there is room for them, and hands them to the threads that compute.

    Args:
        workers: Threads.
        limit: Frames in hand, waiting ones included.
        observer: Told how many there are.
    """

    def __init__(self, workers: int, limit: int, observer: Observer) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tail")
        self._limit, self._observer = limit, observer
        self._in_hand = 0
        self.closing = False
        observer.limit.set(limit)

    async def run(self, work: Callable[[], Answered]) -> Answered:
        """Compute something, or refuse to at once."""
        if self.closing:
            raise _RefusedError(
                StatusCode.UNAVAILABLE, "the server is shutting down; send the frame to another"
            )
        if self._in_hand >= self._limit:
            raise _RefusedError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"the server has {self._limit} frames in hand, as many as it takes; send again",
            )
        loop = asyncio.get_running_loop()
        self._count(1)
        future = self._pool.submit(work)
        # A caller that hangs up leaves a frame in hand until its thread is done with it.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._count, -1))
        return await asyncio.wrap_future(future)

    def _count(self, change: int) -> None:
        self._in_hand += change
        self._observer.in_hand.set(self._in_hand)

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """Something other than a frame, such as loading a model, without a limit."""
        return self._pool.submit(work)

    def close(self) -> None:
        """Finish what was begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class InferenceService(GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The Open Inference Protocol.

    Args:
        repository: The models.
        desk: Where frames are computed.
        observer: Told of each request.
    """

    def __init__(self, repository: Repository, desk: Desk, observer: Observer) -> None:
        self._repository, self._desk, self._observer = repository, desk, observer

    async def ModelInfer(self, request: Any, context: ServicerContext[Any, Any]) -> Any:  # noqa: N802
        """Answer one frame."""
        began, name = perf_counter(), ""
        try:
            model = self._repository.find(request.model_name, request.model_version)
            name = model.place.name
            question = read_request(request)
            one = await self._desk.run(lambda: model.answer(question))
        except asyncio.CancelledError:
            self._observer.refused(name, request.id, "CANCELLED", "the caller hung up")
            raise
        except _RefusedError as error:
            await self._refuse(context, request, name, error.code, str(error))
        except Exception as error:
            await self._explain(context, request, name, error)
        waited = (perf_counter() - began) * 1e3 - one.decode_ms - one.tail_ms - one.encode_ms
        response = _response(request, model, one)
        sizes = len(question.frame), len(response.raw_output_contents[0])
        self._observer.answered(name, request.id, sizes, one, waited)
        return response

    async def _explain(
        self, context: ServicerContext[Any, Any], request: Any, name: str, error: Exception
    ) -> NoReturn:
        for kind, code in _CODES:
            if isinstance(error, kind):
                await self._refuse(context, request, name, code, str(error) or kind.__name__)
        tell(logging.ERROR, "defect", model=name, id=request.id[:64])
        text = f"internal error ({type(error).__name__}); the server's log has more"
        await self._refuse(context, request, name, StatusCode.INTERNAL, text)

    async def _refuse(
        self,
        context: ServicerContext[Any, Any],
        request: Any,
        name: str,
        code: StatusCode,
        text: str,
    ) -> NoReturn:
        self._observer.refused(name, request.id, code.name, text)
        await context.abort(code, text[:1000])
        raise AssertionError("abort returned")  # which it does not; mypy cannot know

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether this process answers at all."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether frames are taken."""
        return pb.ServerReadyResponse(ready=not self._desk.closing)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether frames for one model are taken."""
        try:
            self._repository.find(request.name, request.version)
        except UnknownModelError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=not self._desk.closing)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What this server is."""
        return pb.ServerMetadataResponse(
            name="splittool", version=__version__, extensions=["model_repository"]
        )

    async def ModelMetadata(self, request: Any, context: ServicerContext[Any, Any]) -> Any:  # noqa: N802
        """What one model takes and gives."""
        try:
            model = self._repository.find(request.name, request.version)
        except UnknownModelError as error:
            await context.abort(StatusCode.NOT_FOUND, str(error))
        tensor = pb.ModelMetadataResponse.TensorMetadata
        maps = [1, model.tail.maps, -1, -1]
        versions = [each.place.version for each in self._repository
                    if each.place.name == model.place.name]  # fmt: skip
        return pb.ModelMetadataResponse(
            name=model.place.name,
            versions=sorted(versions, key=int),
            platform=_PLATFORM,
            inputs=[tensor(name=FRAME, datatype="BYTES", shape=[1])],
            outputs=[
                tensor(name=MASKS, datatype="BYTES", shape=[1]),
                tensor(name=PROBABILITIES, datatype="FP32", shape=maps),
            ],
        )

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        """All models."""
        index = pb.RepositoryIndexResponse.ModelIndex
        return pb.RepositoryIndexResponse(
            models=[
                index(name=model.place.name, version=model.place.version, state="READY")
                for model in self._repository
            ]
        )


def _response(request: Any, model: ServedModel, one: Answered) -> Any:
    if one.masks is not None:
        return masks_response(request, model.place.version, one.masks)
    assert one.probabilities is not None
    return probabilities_response(request, model.place.version, one.probabilities)
