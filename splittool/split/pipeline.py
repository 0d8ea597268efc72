"""Work on several images at once: each stage in a thread of its own, results in order.

A stage is a function of the items of the stage before it. `each` applies one, `ahead` runs it in a
thread, a few items ahead of whoever takes them, and `ordered` spreads one over several threads.
Queues are bounded, so memory is too, and a slow stage holds up those before it.

Closing the last stage closes all before it and waits for their threads: one that still computes in
OpenVINO when the interpreter ends aborts the process. So stages are not generator expressions,
which leave what they iterate over to the garbage collector.
"""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Lock, Thread
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_STOP_SECONDS = 0.05  # how often a stage that is told to stop is looked at


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def each(function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """What a function makes of every item, as `map`; closing this closes `items`."""
    try:
        for item in items:
            yield function(item)
    finally:
        _close(items)


def _close(items: object) -> None:
    if isinstance(items, Generator):
        items.close()


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, computed in a thread of their own.

    Args:
        items: What to compute; only this thread iterates over it.
        depth: Items that wait to be taken; one more is being computed.

    Yields:
        The items in order. What goes wrong is raised in its place, after the items before it.
        Closing this closes `items`.
    """
    queue: Queue[_Item[T] | _End] = Queue(depth)
    stopped = False

    def work() -> None:
        end = _End()
        try:
            for item in items:
                queue.put(_Item(item))
                if stopped:
                    break
        except BaseException as error:  # whatever it is, it is for whoever takes the items
            end = _End(error)
        finally:
            _close(items)
            queue.put(end)

    thread = Thread(target=work, daemon=True)
    try:
        thread.start()
        while isinstance(found := queue.get(), _Item):
            yield found.value
        if found.error is not None:
            raise found.error
    finally:
        stopped = True
        while thread.is_alive():
            with suppress(Empty):  # room for what it is about to put
                queue.get(timeout=_STOP_SECONDS)


def ordered(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[R, None, None]:
    """What a function makes of items, several at a time and in their order.

    Args:
        function: Called in `workers` threads.
        items: Iterated over by a thread of their own, a few ahead of the workers.
        workers: How many items are computed at once.

    Yields:
        The results in order, each as soon as it and those before it are there; an error among the
        items comes after what was begun before it.
    """
    pool = ThreadPoolExecutor(workers)
    begun = ahead(each(lambda item: pool.submit(function, item), items), workers)
    try:
        for future in begun:
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # so that no item waits for a result
        begun.close()
        pool.shutdown(wait=True)


class Clock:
    """How long each stage of a pipeline was busy.

    Attributes:
        seconds: By the name of the stage, waiting for other stages not included.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._threads: dict[str, int] = {}
        self._lock = Lock()

    def per_thread(self) -> dict[str, float]:
        """Seconds by stage, divided among the threads that run it."""
        return {name: each / self._threads[name] for name, each in self.seconds.items()}

    def timed(self, name: str, function: Callable[[T], R], threads: int = 1) -> Callable[[T], R]:
        """The same function, its time counted.

        Args:
            name: Of the stage.
            function: What it does with one item.
            threads: How many threads call it.
        """
        self.seconds[name], self._threads[name] = 0.0, threads

        def run(item: T) -> R:
            started = perf_counter()
            result = function(item)
            with self._lock:
                self.seconds[name] += perf_counter() - started
            return result

        return run
