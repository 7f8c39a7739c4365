"""Raw files: stored once, whole or not at all."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.canonical import digest_of_bytes
from ingestion import storage
from ingestion.storage import NotStored


@pytest.fixture
def root(settings: Settings, tmp_path: Path) -> Path:
    """An empty file storage."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


def kept_files(root: Path) -> list[Path]:
    """Return every file below the storage, those still arriving included."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_file_is_kept_under_the_digest_of_its_bytes(root: Path) -> None:
    stored = storage.keep([b"one ", b"two"])
    assert stored.digest == digest_of_bytes(b"one two")
    assert stored.size == 7
    assert storage.path_of(stored.name).read_bytes() == b"one two"
    assert storage.path_of(stored.name).stat().st_mode & 0o777 == 0o600


def test_the_same_bytes_are_stored_once(root: Path) -> None:
    assert storage.keep([b"same"]) == storage.keep([b"sa", b"me"])
    assert len(kept_files(root)) == 1


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(root: Path) -> None:
    with pytest.raises(NotStored) as refusal:
        storage.keep([b"x" * 700_000, b"x" * 700_000], limit=1024 * 1024)
    assert refusal.value.code == "too_large"
    assert kept_files(root) == []


def test_a_stream_that_breaks_off_leaves_nothing(root: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(NotStored) as refusal:
        storage.keep(broken())
    assert refusal.value.code == "storage"
    assert kept_files(root) == []


@pytest.mark.parametrize(
    "name", ["../secret.key", "ab/../../x", "/etc/passwd", "ab/abc", "", "zz/" + "z" * 64]
)
def test_only_names_of_its_own_lead_to_a_file(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not"):
        storage.path_of(name)


def test_a_file_that_was_cut_short_earlier_is_replaced(root: Path) -> None:
    stored = storage.keep([b"whole content"])
    storage.path_of(stored.name).write_bytes(b"who")
    assert storage.keep([b"whole content"]) == stored
    assert storage.path_of(stored.name).read_bytes() == b"whole content"


def test_what_was_left_half_written_long_ago_is_cleared(root: Path) -> None:
    storage.keep([b"x"])
    old, new = root / storage.INCOMING / "old", root / storage.INCOMING / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - storage.INCOMING_SECONDS - 1,) * 2)
    assert storage.clear_incoming() == 1
    assert new.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_recognised_in_whatever_it_caused(number: int) -> None:
    full = OSError(number, "full")
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = full
    assert storage.is_full(wrapped)
    assert not storage.is_full(OSError(errno.EACCES, "denied"))


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_leaves_no_half_file(tmp_path: Path) -> None:
    # A limit on file size, in a process of its own, fails a write half-way like a full disk does.
    code = (
        "import resource, signal, sys\n"
        "import django; django.setup()\n"
        "from ingestion import storage\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    storage.keep([b'x' * 60_000, b'x' * 60_000])\n"
        "except storage.NotStored as error:\n"
        "    print(error.code, error.reason)\n"
        "    sys.exit(7)\n"
    )
    environment = os.environ | {
        "FOOTNOTE_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("disk_full The disk that holds")
    assert kept_files(tmp_path / "files") == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
