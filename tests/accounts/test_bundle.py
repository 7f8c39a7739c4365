"""The exported bundle, checked by its own verifier in a process that knows nothing of the product."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from accounts import bundle, offline_verifier
from accounts.audit import By, record
from accounts.bundle import write_bundle
from accounts.chain import EVENT_FIELDS

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    for n in range(4):
        record(
            "demo.loaded",
            by=By("user:1", "Ünï “quoted” <u@example.org>", "::1"),
            subject=f"demo:{n}",
            details={"score": 0.1 + n, "nested": [1, {"ü": None}]},
        )
    path = tmp_path / "bundle.zip"
    with path.open("wb") as file:
        assert write_bundle(file)[0] == 4
    zipfile.ZipFile(path).extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def check(place: Path, *arguments: str) -> tuple[int, str]:
    """Run the bundle's own verify.py with nothing of the product importable."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(place / "verify.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def rewrite(place: Path, line: int, **changes: object) -> None:
    lines = (place / "events.jsonl").read_text(encoding="utf-8").splitlines()
    lines[line] = json.dumps(json.loads(lines[line]) | changes, ensure_ascii=False)
    (place / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_good_bundle_is_found_intact_zipped_and_unpacked(unpacked: Path) -> None:
    for arguments in ([], [str(unpacked)], [str(unpacked.parent / "bundle.zip")]):
        status, said = check(unpacked, *arguments)
        assert status == 0, said
        assert said.startswith("Intact: 4 events")


def test_a_changed_event_is_named(unpacked: Path) -> None:
    rewrite(unpacked, 1, reason="it was not me")
    status, said = check(unpacked)
    assert status == 1
    assert "Event 2 was changed" in said


def test_a_rewritten_event_with_a_new_digest_breaks_the_link(unpacked: Path) -> None:
    event = json.loads((unpacked / "events.jsonl").read_text(encoding="utf-8").splitlines()[1])
    event["reason"] = "it was not me"
    rewrite(unpacked, 1, reason="it was not me", digest=offline_verifier.digest_of(event))
    status, said = check(unpacked)
    assert status == 1
    assert "Event 3 names" in said


def test_a_missing_event_a_cut_tail_and_a_changed_head_are_named(unpacked: Path) -> None:
    lines = (unpacked / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (unpacked / "events.jsonl").write_text("".join(lines[:1] + lines[2:]), encoding="utf-8")
    assert "Missing: event 2 to event 2" in check(unpacked)[1]
    (unpacked / "events.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    assert "the last event is 3" in check(unpacked)[1]
    (unpacked / "events.jsonl").write_text("".join(lines), encoding="utf-8")
    head = json.loads((unpacked / "head.json").read_text())
    (unpacked / "head.json").write_text(json.dumps(head | {"digest": "sha256:0"}))
    assert check(unpacked)[0] == 1


def test_a_line_that_is_no_event_is_named(unpacked: Path) -> None:
    with (unpacked / "events.jsonl").open("a") as file:
        file.write("nonsense\n")
    assert "Line 5 cannot be read" in check(unpacked)[1]


def test_a_folder_without_a_bundle_is_said_to_be_one(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, said = check(unpacked, str(tmp_path / "empty"))
    assert status == 2
    assert "no bundle to check" in said


def test_the_verifier_covers_the_same_fields_as_the_product() -> None:
    assert offline_verifier.FIELDS == EVENT_FIELDS


def test_the_verifier_imports_nothing_but_the_standard_library() -> None:
    source = bundle.VERIFIER.read_text()
    imported = {
        line.split()[1].partition(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names


def test_a_bundle_ends_where_the_chain_ended_when_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_PAGE", 2)
    for n in range(5):
        record("demo.loaded", by=By.system("tests"), subject=f"demo:{n}")
    file = io.BytesIO()
    assert write_bundle(file)[0] == 5
    record("demo.loaded", by=By.system("tests"), subject="demo:later")
    lines = zipfile.ZipFile(file).read("events.jsonl").splitlines()
    assert [json.loads(line)["position"] for line in lines] == [1, 2, 3, 4, 5]
