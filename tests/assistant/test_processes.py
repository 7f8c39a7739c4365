"""Processes that answer: what they are given is done, and what kills one does not kill the others."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.processes import ProcessDied, Processes, say
from tests.ingestion.test_index_process import PATIENCE_SECONDS, eventually, is_running


def its_process(pause: float = 0.0) -> int:
    time.sleep(pause)
    return os.getpid()


def looked_through() -> tuple[int, int, int]:
    new_objects = gc.get_threshold()[0]
    gc.collect()  # what has become garbage since is not what was loaded
    return gc.get_freeze_count(), len(gc.get_objects()), new_objects


def end_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ValueError("a sentence")


def say_three() -> bool:
    return all(say(number) for number in (1, 2, 3))


def wait_for(path: str) -> bool:
    eventually(Path(path).exists)
    return True


def touch(path: str) -> int:
    Path(path).touch()
    return os.getpid()


HEARD: list[int] = []


@pytest.fixture(scope="module")
def two() -> Iterator[Processes]:
    processes = Processes(2, at_once=1, heard=HEARD.append)
    yield processes
    processes.close()


@pytest.mark.slow
class TestProcesses:
    def test_what_was_loaded_before_is_not_looked_through_for_garbage(self, two: Processes) -> None:
        kept, looked_through_again, new_objects = two.submit(looked_through).result(PATIENCE_SECONDS)
        assert kept > 5 * looked_through_again
        # A question makes 20,000 objects or so, which are gone with it.
        assert new_objects > 20_000

    def test_what_comes_together_is_done_at_the_same_time_in_other_processes(self, two: Processes) -> None:
        futures = [two.submit(its_process, 0.5) for _ in range(2)]
        pids = {future.result(PATIENCE_SECONDS) for future in futures}
        assert len(pids) == 2
        assert os.getpid() not in pids

    def test_what_does_not_fit_waits_for_its_turn(self, two: Processes) -> None:
        futures = [two.submit(its_process) for _ in range(20)]
        assert len({future.result(PATIENCE_SECONDS) for future in futures}) <= 2

    def test_what_is_raised_is_raised_to_who_asked(self, two: Processes) -> None:
        with pytest.raises(ValueError, match="a sentence"):
            two.submit(fail).result(PATIENCE_SECONDS)
        assert two.submit(its_process).result(PATIENCE_SECONDS)

    def test_what_is_said_on_the_way_is_heard_here(self, two: Processes) -> None:
        HEARD.clear()
        assert two.submit(say_three).result(PATIENCE_SECONDS) is True
        assert HEARD == [1, 2, 3]
        assert say(4) is False  # nobody gave this thread its work
        assert HEARD == [1, 2, 3]

    def test_a_process_that_dies_loses_only_its_own_work_and_is_replaced(self, two: Processes) -> None:
        other = two.submit(its_process, 1.0)
        with pytest.raises(ProcessDied):
            two.submit(end_itself).result(PATIENCE_SECONDS)
        survivor = other.result(PATIENCE_SECONDS)

        def who_works() -> set[int]:
            futures = [two.submit(its_process, 0.3) for _ in range(2)]
            return {future.result(PATIENCE_SECONDS) for future in futures}

        eventually(lambda: len(who_works()) == 2)
        assert survivor in who_works()

    def test_one_process_can_work_on_several_things_that_wait(self, tmp_path: Path) -> None:
        processes = Processes(1, at_once=2, heard=HEARD.append)
        try:
            waiting = processes.submit(wait_for, str(tmp_path / "come"))
            assert processes.submit(touch, str(tmp_path / "come")).result(PATIENCE_SECONDS)
            assert waiting.result(PATIENCE_SECONDS) is True
        finally:
            processes.close()

    def test_stopping_ends_them_and_what_waits_is_called_off(self) -> None:
        processes = Processes(1, at_once=1, heard=HEARD.append)
        pid = processes.submit(its_process).result(PATIENCE_SECONDS)
        processes.submit(its_process, PATIENCE_SECONDS)
        waiting = processes.submit(its_process)
        processes.close()
        assert waiting.cancelled()
        assert not is_running(pid)
        with pytest.raises(RuntimeError, match="stopped"):
            processes.submit(its_process)

    def test_nobody_waits_for_processes_that_cannot_be_started(self, tmp_path: Path) -> None:
        (tmp_path / "unloadable.py").write_text("raise RuntimeError('what all of them need is broken')")
        code = textwrap.dedent(
            """
            from assistant import processes
            from tests.assistant.test_processes import its_process
            processes.PRELOADED = "unloadable"
            none = processes.Processes(1, at_once=1, heard=print)
            try:
                none.submit(its_process).result(60)
            except processes.NotStarted as error:
                print(error)
            none.close()
            """
        )
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        assert done.stdout.startswith("No process could be started to work on this"), done.stderr
        assert "this is tried again" in done.stderr

    def test_they_end_with_the_process_they_work_for(self) -> None:
        code = textwrap.dedent(
            """
            import os, signal
            from assistant.processes import Processes
            from tests.assistant.test_processes import its_process
            processes = Processes(1, at_once=1, heard=print)
            print(processes.submit(its_process).result(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        )
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        eventually(lambda: not is_running(int(done.stdout)))
