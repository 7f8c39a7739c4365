"""Asks golden questions in a process of its own, to be killed: `python -m tests.assistant.one_evaluation new|again`."""

import sys
import time
from collections.abc import Callable


def main(what: str) -> None:
    import django

    django.setup()

    from django.core.management import call_command

    from accounts.models import AuditEvent
    from assistant.golden import asking, running
    from assistant.golden.models import EvaluationResult, EvaluationRun
    from retrieval.options import Options
    from tests.assistant.asking import indexed_world
    from tests.assistant.golden import golden, requested

    if what == "new":
        call_command("migrate", verbosity=0)
        world = indexed_world()
        for number in range(8):
            golden(world.alice, world.alice, f"What is the budget for travel number {number}?")
        requested(world)
    else:
        running.take_up_after_restart()

    ask = asking.ask
    asked = 0

    def told(result: EvaluationResult, options: Options, alive: Callable[[], None]) -> asking.Came:
        nonlocal asked
        asked += 1
        print(f"asked {asked}", flush=True)  # noqa: T201
        time.sleep(0.2)
        return ask(result, options, alive)

    setattr(asking, "ask", told)  # noqa: B010 - a plain assignment to a module's function is no type of its own
    (run_id,) = running.waiting()
    running.carry_out(run_id)
    run = EvaluationRun.objects.get()
    events = AuditEvent.objects.filter(type="evaluation.finished").count()
    done = run.results.filter(state="done").count()
    print(f"{run.state} {run.results.count()} questions, {done} done, {events} finished event")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
