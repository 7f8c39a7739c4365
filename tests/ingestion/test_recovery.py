"""Being killed: whatever the moment, the next process goes on, and the end is as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# What one database holds, without ids and times: two installations that agree in this went the same way.
STATE = """
import json, django; django.setup()
from ingestion.models import *
from ingestion.rebuilding import compare
from accounts.audit import verify_chain
c = compare()
documents = [
    [d.external_id, d.title, d.removed_at is None, d.needs_index_update, d.policy.is_dark,
     d.current_version.number if d.current_version else None,
     [[v.number, v.state, v.content_digest, [[x.ordinal, x.start, x.end, x.digest, x.embedding is not None]
       for x in v.chunks.order_by("ordinal")]] for v in d.versions.order_by("number")]]
    for d in Document.objects.order_by("external_id")
]
items = sorted(set(SyncItem.objects.exclude(outcome="unchanged").values_list("external_id", "outcome", "code")))
print(json.dumps({
    "documents": documents, "items": items, "entries": [c.held, c.expected, len(c.missing), len(c.extra), len(c.wrong)],
    "open_runs": SyncRun.objects.filter(state__in=SyncRun.OPEN).count(),
    "incoming": 0, "audit": verify_chain().is_intact if hasattr(verify_chain(), "is_intact") else True,
}))
"""


class Place:
    """A data folder and a database of their own, used by other processes than this one."""

    def __init__(self, folder: Path, shelf: Path, database: str) -> None:
        self.folder = folder
        self.shelf = shelf
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FOOTNOTE_DATA_DIR": str(folder),
            "FOOTNOTE_SOURCE_ROOTS": str(shelf.parent),
            "FOOTNOTE_EMBEDDING_MODEL": "tests.fakes:HashingEmbedder",
            "FOOTNOTE_LOG_LEVEL": "ERROR",
            "CELERY_BROKER_URL": "memory://",
            "DATABASE_URL": database,
        }

    def start(self) -> "subprocess.Popen[str]":
        """Start a process that syncs the shelf."""
        command = [sys.executable, "-m", "tests.ingestion.one_sync", str(self.shelf)]
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> None:
        """Sync the shelf to the end."""
        process = self.start()
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said

    def kill_after(self, seconds: float) -> bool:
        """Start a sync and kill its process this long after it has begun; return whether it was still running."""
        process = self.start()
        assert process.stdout is not None
        said = []
        while (line := process.stdout.readline()) and line.strip() != "ready":
            said.append(line)
        assert line, "".join(said)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
        return process.wait() == -signal.SIGKILL

    def state(self) -> dict[str, object]:
        """Return what the installation holds, without ids and times."""
        done = subprocess.run(
            [sys.executable, "-c", STATE], cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, check=True
        )  # fmt: skip
        state: dict[str, object] = json.loads(done.stdout)
        return state


@pytest.fixture
def databases(db: None, tmp_path: Path) -> Iterator[list[str]]:
    """Two empty databases of the kind that the suite runs on."""
    if connection.vendor == "sqlite":
        yield ["", ""]
        return
    import psycopg

    settings = connection.settings_dict
    login = f"{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}"
    names = [f"footnote_recovery_{os.getpid()}_{number}" for number in range(2)]
    with psycopg.connect(f"postgresql://{login}/postgres", autocommit=True) as admin:
        for name in names:
            admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield [f"postgresql://{login}/{name}" for name in names]
        finally:
            for name in names:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def write_shelf(shelf: Path) -> None:
    """Write a folder with some of everything: long and short, nested, broken, of no readable kind, dark."""
    shelf.mkdir(parents=True)
    (shelf / "access.yaml").write_text("allow: [everyone]\n")
    for number in range(24):
        parts = [
            f"## Part {part}\n\n" + f"Matter {number}.{part} is told in this. " * 60 for part in range(8)
        ]
        folder = shelf / f"folder{number % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.md").write_text(f"# Book {number}\n\n" + "\n\n".join(parts))
    (shelf / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (shelf / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    (shelf / "dark").mkdir()
    (shelf / "dark" / "access.yaml").write_text("alow: [everyone]\n")
    (shelf / "dark" / "hidden.md").write_text("Hidden words.")


def change_shelf(shelf: Path) -> None:
    """Change some of the folder: new words, a removed file, a new one, another rule."""
    for number in range(0, 24, 4):
        path = shelf / f"folder{number % 3}" / f"{number}.md"
        path.write_text(path.read_text().replace("is told", "was written anew"))
    (shelf / "folder1" / "1.md").unlink()
    (shelf / "new.md").write_text("# New\n\nNew words.")
    (shelf / "folder2" / "access.yaml").write_text("deny: [everyone]\n")


@pytest.mark.slow
def test_syncs_that_are_killed_over_and_over_end_as_if_they_had_not_been(
    databases: list[str], tmp_path: Path
) -> None:
    shelf = tmp_path / "sources" / "shelf"
    write_shelf(shelf)
    chance = random.Random(4711)
    calm, killed = (
        Place(tmp_path / name, shelf, database)
        for name, database in zip(("calm", "killed"), databases, strict=True)
    )
    kills = 0
    for change in (None, change_shelf):
        if change is not None:
            change(shelf)
        started = time.monotonic()
        calm.finish()
        # The moments lie all over the time that an undisturbed sync takes, its start included.
        takes = max(1.0, (time.monotonic() - started) / 2)
        for _ in range(4):
            kills += killed.kill_after(chance.uniform(0, takes))
        killed.finish()
        expected, found = calm.state(), killed.state()
        assert found["entries"] == expected["entries"]
        assert found["documents"] == expected["documents"]
        assert found["items"] == expected["items"]
        assert found == expected
        assert found["open_runs"] == 0
    assert kills >= 3
