import threading
import time
from collections.abc import Iterator

import pytest

from splittool.split.pipeline import Clock, ahead, each, ordered


def numbers(log: list[str], stop: int = 100) -> Iterator[int]:
    try:
        for number in range(stop):
            log.append(threading.current_thread().name)
            yield number
    finally:
        log.append("closed")


def test_items_come_in_order_from_another_thread() -> None:
    log: list[str] = []
    assert list(ahead(numbers(log))) == list(range(100))
    assert threading.current_thread().name not in log
    assert log[-1] == "closed"


def test_stages_overlap() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02)
        return number + 1

    started = time.perf_counter()
    stream: Iterator[int] = iter(range(20))
    for _ in range(3):
        stream = ahead(map(slow, stream))
    assert list(stream) == list(range(3, 23))
    assert time.perf_counter() - started < 0.02 * 20 * 3 * 0.7  # in turn it is 1.2 s


def test_a_slow_taker_holds_up_those_before_it() -> None:
    log: list[str] = []
    stream = ahead(ahead(numbers(log), 2), 2)
    assert next(stream) == 0
    time.sleep(0.1)
    assert len(log) <= 1 + 2 * (2 + 2)  # for each stage its queue, and what is at both its ends
    stream.close()  # type: ignore[attr-defined]
    assert log[-1] == "closed"


def test_an_error_comes_in_its_place() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found: list[int] = []
    with pytest.raises(ValueError, match="the sixth"):
        found.extend(ordered(lambda n: n, ahead(each(abs, ahead(broken()))), 3))
    assert found == [0, 1, 2, 3, 4]


def test_closing_ends_all_threads() -> None:
    before = threading.enumerate()  # other tests' threads may end meanwhile
    log: list[str] = []
    stream = ordered(lambda n: n, ahead(each(abs, ahead(numbers(log, 10_000)))), 2)
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread not in before]
    assert log[-1] == "closed"
    assert len(log) < 50


def test_several_workers_keep_the_order() -> None:
    def uneven(number: int) -> int:
        time.sleep(0.01 if number % 2 else 0.001)
        return number

    assert list(ordered(uneven, range(30), 4)) == list(range(30))


def test_an_error_of_a_worker_comes_in_its_place() -> None:
    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(ordered(lambda n: 6 // (3 - n), range(10), 2))
    assert found == [2, 3, 6]


def test_a_clock_adds_up() -> None:
    clock = Clock()
    wait = clock.timed("wait", time.sleep)
    assert clock.seconds == {"wait": 0.0}
    list(ordered(wait, [0.02] * 4, 2))
    assert 0.08 <= clock.seconds["wait"] < 0.5
