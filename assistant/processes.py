"""Work in processes of their own, forked from one that has everything loaded: a core for each answer.

Answering is Python between engines, and Python has one core to a process. The web server hands questions to these
processes and stays free for pages. They share the memory of what was loaded before the fork, need no start-up time,
and end when the process they work for ends, however it ends, because the pipe between them does.
"""

import itertools
import logging
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

log = logging.getLogger(__name__)

PRELOADED = "assistant.preloaded"
"""The module whose import loads what every process needs."""

DONE, RAISED, HEARD = "done", "raised", "heard"
SOON = 1.0
"""Seconds. A process that lived no longer than this is not replaced at once, so that what kills each does not spin."""
LATER = 30.0
"""Seconds, the longest pause before starting one is tried again."""

Work = Callable[..., Any]  # Any: each function has its own arguments and result


class ProcessDied(RuntimeError):
    """The process that worked on something ended in the middle of it."""

    def __init__(self) -> None:
        super().__init__("The process that worked on this has ended.")


class NotStarted(RuntimeError):
    """There is no process to work on something, and none could be started."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"No process could be started to work on this ({type(error).__name__}: {error}).")


@dataclass
class _Job:
    function: Work
    arguments: tuple[object, ...]
    future: "Future[Any]" = field(default_factory=Future)  # Any: what the function returns


@dataclass(eq=False)
class _Worker:
    """One process, the pipe to it, and what it works on, by number."""

    process: BaseProcess
    connection: Connection
    jobs: dict[int, _Job] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    is_gone: bool = False


class Processes:
    """A number of processes that work on what they are given, in the order it was given."""

    def __init__(
        self, count: int, *, at_once: int, heard: Callable[[int], None], first: Work | None = None
    ) -> None:
        """Begin to start `count` processes, each working on `at_once` things at a time.

        `heard` is called, in a thread of this process, with every number that a function says by `say`. `first` is
        called in each process before anything else. Loading takes seconds; what is submitted meanwhile waits.
        """
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOADED])
        self._at_once, self._heard, self._first = at_once, heard, first
        self._numbers = itertools.count()
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        self._workers: list[_Worker] = []
        threading.Thread(target=self._begin, args=(count,), name="answering-begin", daemon=True).start()

    def submit(self, function: Work, *arguments: object) -> "Future[Any]":  # Any: what the function returns
        """Have a function of a module called in one of the processes.

        The future raises what the function raises, ProcessDied when its process ends in the middle, and NotStarted
        when there is none and starting one failed.
        """
        job = _Job(function, arguments)
        with self._lock:
            if self._is_closed:
                raise RuntimeError("These processes have been stopped.")
            self._waiting.append(job)
            self._hand_out()
        return job.future

    def close(self) -> None:
        """End the processes at once. What they record survives being cut off anywhere."""
        with self._lock:
            self._is_closed = True
            workers, self._workers = self._workers, []
            waiting = list(self._waiting)
            self._waiting.clear()
        for job in waiting:  # outside the lock: whoever waits may have locks of their own
            job.future.cancel()
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()

    def _begin(self, count: int) -> None:
        for _ in range(count):
            worker = self._started()
            if worker is None or not self._put(worker):
                return

    def _put(self, worker: _Worker) -> bool:
        """Let a process take part, unless all were stopped meanwhile; return whether it does."""
        with self._lock:
            if self._is_closed:
                worker.process.terminate()
                return False
            if worker.is_gone:
                return True  # it did not live to see this, and another takes its place
            self._workers.append(worker)
            if self._first is not None:
                self._send(worker, _Job(self._first, ()))
            self._hand_out()
        return True

    def _started(self) -> _Worker | None:
        """Start a process, and try again until it can be; None once all were stopped."""
        pause = SOON
        while not self._is_closed:
            try:
                return self._start()
            except (OSError, EOFError, RuntimeError) as error:
                log.exception(
                    "An answering process could not be started; this is tried again in %g s.", pause
                )
                self._call_off(error)
            time.sleep(pause)
            pause = min(LATER, 2 * pause)
        return None

    def _call_off(self, error: BaseException) -> None:
        """Let nobody wait for processes of which there is none."""
        with self._lock:
            if self._workers:
                return
            waiting = list(self._waiting)
            self._waiting.clear()
        for job in waiting:
            job.future.set_exception(NotStarted(error))

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._at_once), daemon=True, name="answering"
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        threading.Thread(target=self._listen, args=(worker,), name="answering-pipe", daemon=True).start()
        return worker

    def _hand_out(self) -> None:
        """Give waiting work to whoever has the least; the lock is held."""
        while self._waiting and self._workers:
            worker = min(self._workers, key=lambda one: len(one.jobs))
            if len(worker.jobs) >= self._at_once:
                return
            self._send(worker, self._waiting.popleft())

    def _send(self, worker: _Worker, job: _Job) -> None:
        number = next(self._numbers)
        worker.jobs[number] = job
        with suppress(OSError):  # whoever listens to this pipe sees its end, too, and says so to all its work
            worker.connection.send((number, job.function, job.arguments))

    def _listen(self, worker: _Worker) -> None:
        """Hear one process out until it ends."""
        while True:
            try:
                number, what, value = worker.connection.recv()
            except (EOFError, OSError):
                break
            if what == HEARD:
                self._heard(value)
                continue
            with self._lock:
                job = worker.jobs.pop(number)
                self._hand_out()
            if what == DONE:
                job.future.set_result(value)
            else:
                job.future.set_exception(value)
        self._bury(worker)

    def _bury(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.join()
        with self._lock:
            is_closed, worker.is_gone = self._is_closed, True
            if worker in self._workers:
                self._workers.remove(worker)
            lost = list(worker.jobs.values())
        if not is_closed:
            log.error(
                "An answering process ended with exit code %s; another takes its place.",
                worker.process.exitcode,
            )
        for job in lost:
            job.future.set_exception(ProcessDied())
        if is_closed:
            return
        if time.monotonic() - worker.begun < SOON:
            time.sleep(SOON)
        another = self._started()
        if another is not None:
            self._put(another)


# --- The side that works ------------------------------------------------------------------------------------------

_saying = threading.local()


def say(number: int) -> bool:
    """Say a number to whoever gave the work of this thread; return whether this is such a process at all."""
    to: Callable[[int], None] | None = getattr(_saying, "to", None)
    if to is not None:
        to(number)
    return to is not None


def _work(connection: Connection, at_once: int) -> None:
    """Do what comes through the pipe until it ends."""
    # Ctrl-C reaches every process of a terminal; these end when the server is through with them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sending = threading.Lock()

    def send(*message: object) -> None:
        with sending, suppress(OSError):  # nobody is left to hear it: the pipe's end is seen below
            connection.send(message)

    def do(number: int, function: Work, arguments: tuple[object, ...]) -> None:
        from django.db import close_old_connections

        _saying.to = lambda value: send(number, HEARD, value)
        try:
            close_old_connections()
            send(number, DONE, function(*arguments))
        except Exception as error:
            log.exception("Work in an answering process failed.")
            send(number, RAISED, error)

    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if at_once == 1:
            do(*message)
        else:
            threading.Thread(target=_do_and_close, args=(do, message), daemon=True).start()


def _do_and_close(do: Work, message: tuple[object, ...]) -> None:
    from django.db import connections

    try:
        do(*message)
    finally:
        connections.close_all()
