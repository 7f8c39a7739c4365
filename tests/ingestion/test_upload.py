"""Names of uploaded files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.sources.upload import MAX_NAME_CHARACTERS, validate_upload
from ingestion.types import Unreadable


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Alice\\Plan 2026.docx", "Plan 2026.docx"),
        ("two\nlines.txt", "twolines.txt"),
        ("\u202efdp.exe", "fdp.exe"),
        ("cafe\u0301.md", "café.md"),
    ],
)
def test_an_upload_keeps_its_own_name_without_path_or_tricks(name: str, kept: str) -> None:
    assert validate_upload(name, 1) == kept


@pytest.mark.parametrize("name", ["", "..", "/", ".htaccess", "access.yaml", "\n", "Thumbs.db"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Unreadable) as caught:
        validate_upload(name, 1)
    assert (caught.value.code, caught.value.reason) == (
        "bad_name", "The file has no name that can be used. Rename it and upload it again.",
    )  # fmt: skip


def test_empty_and_too_large_uploads_are_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        validate_upload("a.md", 0)
    assert (caught.value.code, caught.value.reason) == ("empty", "“a.md” is empty.")
    with pytest.raises(Unreadable) as caught:
        validate_upload("a.md", 200 * 1024 * 1024)
    assert (caught.value.code, caught.value.reason) == (
        "too_large", "The file has 200 MB; files of up to 100 MB are read (FOOTNOTE_MAX_FILE_MB).",
    )  # fmt: skip


@given(st.text(max_size=400))
def test_whatever_the_name_the_result_is_short_and_has_no_path(name: str) -> None:
    try:
        kept = validate_upload(name, 1)
    except Unreadable:
        return
    assert kept
    assert "/" not in kept
    assert "\\" not in kept
    assert len(kept) <= MAX_NAME_CHARACTERS
    assert not kept.startswith(".")
