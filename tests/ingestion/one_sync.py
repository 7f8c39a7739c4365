"""A process that syncs a folder and ends; tests kill it at random moments. Run with the folder as its argument."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from ingestion import actions, outbox, pipeline, schedule  # noqa: E402
from ingestion.index import close_index  # noqa: E402
from ingestion.models import Source, SyncRun  # noqa: E402
from tests.ingestion.installation import ALL, BY  # noqa: E402


def main(folder: str) -> int:
    """Take up the open run of the folder, or begin one; return 0 when it finished."""
    call_command("migrate", verbosity=0, interactive=False)
    source = Source.objects.filter(path=folder).first() or actions.connect_source(
        by=BY, kind="folder", name="Shelf", path=folder, rule=ALL
    )
    schedule.take_up_after_restart()
    run = source.runs.filter(state__in=SyncRun.OPEN).first() or actions.request_sync(by=BY, source=source)
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    outbox.deliver()
    run = pipeline.carry_out(run.pk)
    outbox.deliver()
    close_index()
    print(run.state, run.error, flush=True)  # noqa: T201
    return 0 if run.state == SyncRun.State.FINISHED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
