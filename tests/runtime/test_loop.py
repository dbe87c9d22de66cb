"""The loop by itself: its timers against a sorted list, its clock, its jobs; no process, no oracle."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.runtime.loop import NS, Job, NodeLoop, Spins, background, make_asyncio_deterministic, to_ns
from qnode.wire.messages import NEVER_NS

T = TypeVar("T")

YEAR_NS = 365 * 86400 * NS


@contextmanager
def loop_of(**options: Any) -> Iterator[NodeLoop]:
    """A loop of this thread, whatever else runs in it; afterwards everything is closed."""
    loop = NodeLoop(**options)
    try:
        yield loop
    finally:
        loop.shut_down()


def drive(loop: NodeLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """What a driver does: run to idle, go on to the next timer."""
    task = loop.create_task(coroutine)
    while True:
        loop.until_idle()
        if task.done():
            return task.result()
        when_ns = loop.next_timer_ns()
        assert when_ns is not None, "nothing can ever happen again"
        loop.advance(when_ns)
        loop.fire_timers()


def fire_all(loop: NodeLoop) -> list[int]:
    """All instants at which timers were due, in the order in which they came."""
    instants = []
    while (when_ns := loop.next_timer_ns()) is not None:
        loop.advance(when_ns)
        loop.fire_timers()
        loop.until_idle()
        instants.append(when_ns)
    return instants


# ---------------------------------------------------------------- seconds and nanoseconds


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_whole_seconds_are_exact_however_many(seconds: int) -> None:
    assert to_ns(seconds) == seconds * NS


@given(st.integers(min_value=0, max_value=100 * YEAR_NS // NS))
def test_whole_seconds_given_as_a_float_are_exact_for_a_hundred_years(seconds: int) -> None:
    assert to_ns(float(seconds)) == seconds * NS


@given(st.integers(min_value=0, max_value=2**50))
def test_nanoseconds_survive_being_written_as_seconds(ns: int) -> None:
    assert to_ns(ns / NS) == ns


def test_endless_times_are_later_than_any_other() -> None:
    assert to_ns(float("inf")) == NEVER_NS
    assert to_ns(float("-inf")) == -NEVER_NS
    assert NEVER_NS > 290 * YEAR_NS


# ---------------------------------------------------------------- timers

delays = st.integers(min_value=0, max_value=5) | st.integers(min_value=0, max_value=100 * YEAR_NS)


@given(st.lists(st.tuples(delays, st.booleans(), st.booleans(), st.booleans()), max_size=40))
def test_timers_fire_in_order_of_time_completions_first_and_then_in_order_of_birth(
    asked: list[tuple[int, bool, bool, bool]],
) -> None:
    """Against a sorted list, with cancelled ones and background ones among them."""
    with loop_of() as loop:
        fired: list[int] = []
        handles = []
        for n, (delay_ns, cancelled, in_background, completes) in enumerate(asked):
            context = contextvars.copy_context()
            context.run(background.set, in_background)
            set_timer = loop.call_at_ns if completes else lambda ns, *rest: loop.call_later(ns / NS, *rest)
            due_ns = delay_ns if completes else to_ns(delay_ns / NS)
            handles.append((context.run(set_timer, delay_ns, fired.append, n), due_ns, cancelled, in_background))
        for handle, _, cancelled, _ in handles:
            if cancelled:
                handle.cancel()
        kept = [(due, not asked[n][3], n, back) for n, (_, due, gone, back) in enumerate(handles) if not gone]
        foreground = min((due for due, _, _, back in kept if not back), default=None)
        earliest_background = min((due for due, _, _, back in kept if back), default=None)
        found = loop.next_timers_ns()
        assert found[0] == foreground
        if earliest_background is not None and (foreground is None or earliest_background < foreground):
            assert found[1] == earliest_background
        instants = fire_all(loop)
    assert fired == [n for _, _, n, _ in sorted(kept)]
    assert instants == sorted({due for due, _, _, _ in kept})


@given(delay_ns=st.integers(min_value=0, max_value=10**6), tick_ns=st.integers(min_value=1, max_value=1000))
def test_a_timer_is_due_at_the_first_tick_that_is_not_too_early(delay_ns: int, tick_ns: int) -> None:
    with loop_of(tick_ns=tick_ns) as loop:
        loop.call_at_ns(delay_ns, lambda: None)
        due_ns = loop.next_timer_ns()
        assert due_ns is not None
        assert due_ns % tick_ns == 0
        assert delay_ns <= due_ns < delay_ns + tick_ns


def test_a_timer_set_after_years_is_due_a_nanosecond_later_and_not_before() -> None:
    with loop_of() as loop:
        loop.advance(100 * YEAR_NS + 1)
        fired: list[int] = []
        loop.call_later(1e-9, lambda: fired.append(loop.now_ns))
        loop.call_later(0, lambda: fired.append(loop.now_ns))
        assert fire_all(loop) == fired == [100 * YEAR_NS + 1, 100 * YEAR_NS + 2]


def test_a_timer_in_the_past_is_due_now() -> None:
    with loop_of() as loop:
        loop.advance(10)
        loop.call_at(0.0, lambda: None)
        loop.call_later(-1, lambda: None)
        assert fire_all(loop) == [10]


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, 10**12])
def test_a_timer_that_will_never_be_due_is_not_kept_and_can_be_cancelled(seconds: float) -> None:
    with loop_of() as loop:
        handle = loop.call_later(seconds, lambda: None)
        assert loop.next_timer_ns() is None
        handle.cancel()


def test_time_never_goes_back() -> None:
    with loop_of() as loop:
        loop.advance(10)
        loop.advance(9)
        assert loop.now_ns == 10


@pytest.mark.parametrize("live", [0, 1, 1000])
def test_cancelled_timers_do_not_pile_up(live: int) -> None:
    """10,000 timeouts that never expire, as a protocol makes them: what is kept is in proportion to what is alive."""
    with loop_of() as loop:
        kept = [loop.call_later(10, lambda: None) for _ in range(live)]
        watched = []
        for _ in range(10_000):
            handle = loop.call_later(20, lambda: None)
            watched.append(weakref.ref(handle))
            handle.cancel()
        del handle
        assert sum(one() is not None for one in watched) <= live + 102
        assert fire_all(loop) == [10 * NS] * bool(kept)


def test_timers_that_have_fired_do_not_count_as_cancelled() -> None:
    """`asyncio.sleep` cancels its timer when it is over; a thousand sleeps do not disturb what still waits."""
    with loop_of() as loop:
        fired: list[str] = []
        loop.call_later(2.0, fired.append, "still here")

        async def sleeps() -> None:
            for _ in range(1000):
                await asyncio.sleep(1e-3)

        drive(loop, sleeps())
        assert loop.now_ns == NS
        assert loop._cancelled_timers == 0
        assert fire_all(loop) == [2 * NS]
        assert fired == ["still here"]


# ---------------------------------------------------------------- idle, and what could run


def test_the_loop_stops_when_nothing_is_left_to_run_and_never_waits() -> None:
    with loop_of() as loop:
        log: list[str] = []

        async def works() -> None:
            for n in range(3):
                log.append(str(n))
                await asyncio.sleep(0)
            await asyncio.Event().wait()

        loop.create_task(works())
        loop.until_idle()
        assert log == ["0", "1", "2"]
        assert not loop.runnable()
        loop.call_soon(log.append, "more")
        assert loop.runnable()
        loop.until_idle()
        assert log[-1] == "more"


def test_unfinished_tasks_are_listed_oldest_first() -> None:
    with loop_of() as loop:
        tasks = [loop.create_task(asyncio.Event().wait()) for _ in range(50)]
        loop.until_idle()
        assert loop.unfinished() == tasks


def test_shutting_down_lets_tasks_clean_up_without_time() -> None:
    log: list[str] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            log.append("cleaning")
            await asyncio.sleep(0)
            log.append("clean")
            await asyncio.sleep(1)
            log.append("too much to ask")

    loop = NodeLoop()
    loop.create_task(cleans_up())
    loop.until_idle()
    loop.shut_down()
    assert log == ["cleaning", "clean"]
    assert loop.is_closed()


def test_tasks_and_futures_of_two_loops_are_numbered_alike() -> None:
    def numbers() -> list[int]:
        with loop_of() as loop:

            async def one() -> list[int]:
                tasks = [asyncio.ensure_future(asyncio.sleep(0)) for _ in range(3)]
                futures = [loop.create_future() for _ in range(3)]
                return [hash(each) for each in (*tasks, *reversed(futures), *futures)]

            return drive(loop, one())

    assert numbers() == numbers()
    assert len(set(numbers())) == 6


def test_gathers_and_as_completed_have_an_order_once_asyncio_is_made_deterministic() -> None:
    as_completed = asyncio.as_completed
    make_asyncio_deterministic()
    try:
        with loop_of() as loop:

            async def gathers() -> tuple[list[int], list[int]]:
                together = [asyncio.gather(asyncio.sleep(0, n)) for n in range(64)]
                births = [hash(one) for one in together]
                completed = [await one for one in asyncio.as_completed([asyncio.sleep(1e-3, n) for n in range(64)])]
                return births, completed

            births, completed = drive(loop, gathers())
        assert births == sorted(set(births))
        assert completed == list(range(64))
    finally:
        asyncio.as_completed = asyncio.tasks.as_completed = as_completed


def test_a_gather_of_another_loop_is_left_as_it_was() -> None:
    as_completed = asyncio.as_completed
    make_asyncio_deterministic()
    try:

        async def hashes() -> bool:
            one = asyncio.gather(asyncio.sleep(0))
            same = hash(one) == object.__hash__(one)
            await one
            return same

        assert asyncio.run(hashes())
    finally:
        asyncio.as_completed = asyncio.tasks.as_completed = as_completed


# ---------------------------------------------------------------- functions in executors


def in_threads(count: int, run: Callable[[ThreadPoolExecutor], Coroutine[Any, Any, T]]) -> tuple[T, NodeLoop]:
    with ThreadPoolExecutor(count) as threads, loop_of() as loop:
        return drive(loop, run(threads)), loop


def test_results_enter_together_in_order_of_submission_however_they_end() -> None:
    """Three functions that can only end in reverse order: each waits for the next one."""
    ended = [threading.Event() for _ in range(4)]
    ended[3].set()
    order: list[int] = []
    entered: list[int] = []

    def waits(n: int) -> int:
        ended[n + 1].wait()
        order.append(n)
        ended[n].set()
        return n

    async def submits(threads: ThreadPoolExecutor) -> int:
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(threads, waits, n) for n in range(3)]
        for job in jobs:
            job.add_done_callback(lambda done: entered.append(done.result()))
        loop.call_later(1e-9, entered.append, -1)
        await asyncio.gather(*jobs)
        return loop.now_ns  # type: ignore[attr-defined, no-any-return]

    now_ns, loop = in_threads(3, submits)
    assert order == [2, 1, 0]
    assert entered == [0, 1, 2]
    assert now_ns == 0  # the clock was held
    assert not loop.entered


def test_a_function_that_calls_back_gets_its_answer_while_another_one_runs() -> None:
    """It asks the loop for something, and the other one waits for the answer: they must not wait for each other."""
    answered = threading.Event()

    async def submits(threads: ThreadPoolExecutor) -> list[object]:
        loop = asyncio.get_running_loop()

        async def answer() -> int:
            return await loop.run_in_executor(threads, int, "42")

        def asks() -> int:
            found = asyncio.run_coroutine_threadsafe(answer(), loop).result()
            answered.set()
            return found

        return list(
            await asyncio.gather(loop.run_in_executor(threads, answered.wait), loop.run_in_executor(threads, asks))
        )

    found, loop = in_threads(3, submits)
    assert found == [True, 42]
    assert loop.entered  # a thread decided when


def test_what_a_function_outside_the_loop_did_is_told_in_order_and_what_cannot_be_recorded_is_marked() -> None:
    told: list[object] = []

    def record(job: Job) -> bool:
        told.append(job.exception() or job.result())
        return told[-1] != "not this"

    async def submits(threads: ThreadPoolExecutor) -> list[object]:
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(threads, int, text) for text in ("1", "x", "3")]
        return await asyncio.gather(*jobs, return_exceptions=True)

    with ThreadPoolExecutor(3) as threads, loop_of() as loop:
        loop.on_executed = record
        found = drive(loop, submits(threads))
        assert (found[0], type(found[1]), found[2]) == (1, ValueError, 3)
        assert told == [1, found[1], 3]
        before = loop.unpackable
        drive(loop, submits_one(threads, "not this"))
        assert (before, loop.unpackable) == (False, True)


async def submits_one(threads: ThreadPoolExecutor, value: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(threads, str, value)


def test_a_function_that_raises_stop_iteration_does_not_vanish() -> None:
    async def submits(threads: ThreadPoolExecutor) -> str:
        try:
            await asyncio.get_running_loop().run_in_executor(threads, next, iter(list[int]()))
        except RuntimeError as error:
            return str(error)
        return "nothing was raised"

    assert in_threads(1, submits)[0] == "a function in an executor raised StopIteration"


def test_a_cancelled_wait_for_a_function_does_not_disturb_the_others() -> None:
    go = threading.Event()

    async def submits(threads: ThreadPoolExecutor) -> list[object]:
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(threads, function) for function in (go.wait, lambda: "second")]
        jobs[0].cancel()
        go.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    found, _ = in_threads(2, submits)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1] == "second"


# ---------------------------------------------------------------- the outside


def test_a_call_from_another_thread_is_readable_outside_and_marks_the_loop() -> None:
    with loop_of() as loop:
        log: list[str] = []
        loop.until_idle()
        before = loop.entered
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(log.append, "from outside"))
        thread.start()
        thread.join()
        assert (before, loop.entered) == (False, True)
        loop.woken = True
        loop.until_idle()
        assert log == ["from outside"]


def test_a_call_from_the_loops_own_thread_is_nothing_from_outside() -> None:
    with loop_of() as loop:

        async def calls() -> None:
            done = asyncio.Event()
            loop.call_soon_threadsafe(done.set)
            await done.wait()

        drive(loop, calls())
        assert not loop.entered


def test_sockets_of_a_program_are_told_from_the_loops_own() -> None:
    with loop_of() as loop:
        assert not loop.has_sockets

        async def listens() -> tuple[bool, bool]:
            server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
            open_ = loop.has_sockets
            server.close()
            return open_, loop.has_sockets

        assert drive(loop, listens()) == (True, False)
        assert not loop.entered


def test_holding_the_clock_waits_for_the_outside_and_marks_the_loop() -> None:
    with loop_of() as loop:

        async def holds() -> str:
            told: asyncio.Future[str] = loop.create_future()
            loop.call_later(1e-9, told.cancel)
            async with loop.hold():
                thread = threading.Thread(target=loop.call_soon_threadsafe, args=(told.set_result, "held"))
                thread.start()
                answer = await told
            thread.join()
            return answer

        assert drive(loop, holds()) == "held"
        assert loop.now_ns == 0
        assert loop.entered
        assert loop.holds == 0


# ---------------------------------------------------------------- what has no end


async def spin() -> None:
    while True:  # noqa: ASYNC110  # as programs should not
        await asyncio.sleep(0)


def test_a_loop_that_goes_round_too_often_at_one_instant_says_so_and_can_be_closed() -> None:
    with loop_of(max_rounds=100) as loop:
        loop.create_task(spin())
        with pytest.raises(Spins):
            loop.until_idle()
        assert loop.rounds == 101
        loop.until_idle()  # what was to run is forgotten


def test_rounds_count_anew_each_time_that_the_loop_runs() -> None:
    with loop_of(max_rounds=100) as loop:

        async def goes_round_often() -> int:
            for _ in range(5):
                for _ in range(90):
                    await asyncio.sleep(0)
                await asyncio.sleep(1e-9)
            return loop.now_ns

        assert drive(loop, goes_round_often()) == 5


def test_a_task_that_spins_in_its_cleanup_does_not_keep_the_loop_from_closing() -> None:
    loop = NodeLoop()
    cleaned_up = []

    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    async def spins_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await spin()

    for coroutine in (spins_when_cancelled(), cleans_up()):
        loop.create_task(coroutine)
    loop.until_idle()
    loop.shut_down()
    assert loop.is_closed()
    assert cleaned_up == [True]
