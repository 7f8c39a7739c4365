"""Files that cannot or must not be read: each has its code and its sentence, and none harms the server."""

import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from ingestion.parsing import parse
from ingestion.types import Parsed, Unreadable
from tests.ingestion import files

ROOT = Path(__file__).resolve().parents[2]


def refusal(path: Path, name: str = "") -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        parse(path, name or path.name)
    return caught.value.code, caught.value.reason


def children(of: int) -> list[int]:
    """Return the process ids of a process's children."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == of and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def resident(process: int) -> int:
    """Return the bytes of memory a process holds, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_locked_files_say_that_they_are_locked(tmp_path: Path) -> None:
    locked = files.pdf(tmp_path / "a.pdf", [["Secret"]], password="open")
    assert refusal(locked) == ("encrypted", "The PDF is locked with a password. Save a copy without one.")
    office = files.write(
        tmp_path / "b.docx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le"),
    )
    assert refusal(office) == ("encrypted", "The file is locked with a password. Save a copy without one.")


def test_a_pdf_with_an_owner_password_only_opens(tmp_path: Path) -> None:
    assert parse(files.pdf(tmp_path / "a.pdf", [["Words."]], owner="owner"), "a.pdf").text == "Words."


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", ("empty", "The file is empty.")),
        ("a.txt", b" \n\t\r\n\xc2\xa0", ("empty", "The file holds no text.")),
        ("a.md", b"---\ntitle: x\n---\n", ("empty", "The file holds no text.")),
        ("a.pdf", b"%PDF-1.7\ngarbage", ("corrupt", "The PDF is damaged and cannot be opened.")),
        ("a.pdf", bytes(range(256)) * 8, ("corrupt", "The file is named like a PDF but is damaged: it does not begin as one does.")),
        ("a.docx", b"PK\x03\x04 cut off", ("corrupt", "The file is damaged: it is packed like an office document, but its contents list cannot be read.")),
        ("a.bin", bytes(range(256)) * 8, ("unsupported", "The file is neither text nor a document of a kind that can be read.")),
        ("a.txt", b"\x7fELF\x02\x01\x01\0\0\0", ("unsupported", "The file is a program, not a document.")),
        ("a.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", ("unsupported", "The file is an archive. Unpack it and add the documents themselves.")),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, ("unsupported", "The file is of an old Office kind that cannot be read.")),
    ],
)  # fmt: skip
def test_files_that_hold_nothing_readable_say_why(
    tmp_path: Path, name: str, content: bytes, expected: tuple[str, str]
) -> None:
    assert refusal(files.write(tmp_path / name, content)) == expected


def test_pictures_and_archives_say_what_they_are(tmp_path: Path) -> None:
    picture = files.write(tmp_path / "a.png", files.png())
    assert refusal(picture) == ("unsupported", "The file is a picture; it has no text to read.")
    archive = files.package(tmp_path / "a.zip", {"a.txt": "x"})
    assert refusal(archive) == (
        "unsupported",
        "The file is an archive. Unpack it and add the documents themselves.",
    )


def test_a_scan_without_text_says_so(tmp_path: Path) -> None:
    assert refusal(files.picture_pdf(tmp_path / "scan.pdf")) == (
        "no_text",
        "The PDF has no text layer; it looks scanned. Run text recognition (OCR) over it and add the result.",
    )
    assert refusal(files.pdf(tmp_path / "blank.pdf", [[""]])) == (
        "no_text",
        "The PDF has no text on its page.",
    )


def test_a_file_that_vanished_says_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.md") == ("vanished", "The file is no longer there.")


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = files.sparse(tmp_path / "huge.pdf", 500 * 1024 * 1024)
    assert refusal(path) == ("too_large", "The file has 500 MB; up to 100 MB are read.")


@pytest.mark.slow
def test_archives_that_unpack_to_too_much_are_not_unpacked(tmp_path: Path, settings: Settings) -> None:
    settings.MAX_UNPACKED_BYTES = 60 * 1024 * 1024
    assert refusal(files.zip_bomb(tmp_path / "a.docx", 64 << 20)) == (
        "zip_bomb", "The file would unpack to 64 MB; up to 60 MB are unpacked (FOOTNOTE_MAX_UNPACKED_MB).",
    )  # fmt: skip
    assert refusal(files.zip_bomb(tmp_path / "b.docx", 40 << 20)) == (
        "zip_bomb", "The file unpacks to more than 200 times its size and was not unpacked.",
    )  # fmt: skip
    many = files.package(
        tmp_path / "c.docx", {"[Content_Types].xml": "", **{f"word/{n}": "" for n in range(10_001)}}
    )
    assert refusal(many) == ("zip_bomb", "The file is packed from 10,002 parts; up to 10,000 are unpacked.")


def test_a_part_that_is_larger_than_it_claims_is_not_read(tmp_path: Path) -> None:
    code, _ = refusal(files.lying_docx(tmp_path / "a.docx"))
    assert code in {"zip_bomb", "corrupt"}


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><w:document>&b;</w:document>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><w:document>&a;</w:document>",
        "not XML at all",
    ],
)
def test_hostile_xml_inside_a_document_reads_nothing_from_elsewhere(tmp_path: Path, document: str) -> None:
    document = document.replace("<w:document>", f"<w:document {files.W}><w:body><w:p><w:r><w:t>")
    document = document.replace("</w:document>", "</w:t></w:r></w:p></w:body></w:document>")
    path = files.package(
        tmp_path / "a.docx", {"[Content_Types].xml": files.WORD_TYPES, "word/document.xml": document}
    )
    try:
        parsed: Parsed | None = parse(path, "a.docx")
    except Unreadable as error:
        parsed = None
        code = error.code
    assert parsed is None
    assert code in {"corrupt", "empty"}


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine that notes every connection."""
    seen: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(str(self.client_address))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


def test_nothing_a_document_points_to_is_fetched(tmp_path: Path, listener: tuple[str, list[str]]) -> None:
    address, seen = listener
    page = (
        f'<html><head><link rel="stylesheet" href="{address}/a.css"><base href="{address}"></head>'
        f'<body><img src="{address}/a.png" alt="Logo"><iframe src="{address}"></iframe><p>Words.</p></body></html>'
    )
    assert parse(files.write(tmp_path / "a.html", page), "a.html").text == "Logo\n\nWords."
    dtd = f'<!DOCTYPE x SYSTEM "{address}/x.dtd">'
    body = f"{dtd}<w:document {files.W}><w:body><w:p><w:r><w:t>Words.</w:t></w:r></w:p></w:body></w:document>"
    relation = f'<Relationship Id="r" Type="x/image" Target="{address}/a.png" TargetMode="External"/>'
    path = files.package(
        tmp_path / "a.docx",
        {
            "[Content_Types].xml": files.WORD_TYPES,
            "word/document.xml": body,
            "word/_rels/document.xml.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relation}</Relationships>',
        },
    )
    assert parse(path, "a.docx").text == "Words."
    assert seen == []


# --- The child process. -------------------------------------------------------------------------------------------


def slow_file(tmp_path: Path) -> Path:
    """A file that takes seconds to read."""
    return files.write(tmp_path / "slow.csv", "a,b,c,d,e,f\n" * 1_500_000)


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_stopped_and_the_next_one_is_read(
    tmp_path: Path, settings: Settings
) -> None:
    settings.PARSE_SECONDS = 1
    path = slow_file(tmp_path)
    assert refusal(path) == (
        "timeout", "Reading the file took longer than 1 seconds and was stopped (FOOTNOTE_PARSE_SECONDS).",
    )  # fmt: skip
    assert parse(files.write(tmp_path / "a.txt", "Words."), "a.txt").text == "Words."


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the child through /proc")
def test_a_crash_of_the_reader_is_a_refusal_and_the_next_file_is_read(tmp_path: Path) -> None:
    path = slow_file(tmp_path)
    refused: list[Unreadable] = []

    def work() -> None:
        try:
            parse(path, path.name)
        except Unreadable as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        time.sleep(0.05)
        for child in children(os.getpid()):
            # By its memory it has begun to read the file; one that is only starting would be another failure.
            if resident(child) > 60 * 1024 * 1024:
                os.kill(child, signal.SIGSEGV)
    (error,) = refused
    assert (error.code, error.reason) == (
        "crashed",
        "Reading the file brought down the program that reads files (signal 11). The file is likely damaged.",
    )
    assert parse(files.write(tmp_path / "a.txt", "Words."), "a.txt").text == "Words."


@pytest.mark.slow
def test_several_threads_read_at_once_and_each_gets_its_own_file(tmp_path: Path) -> None:
    texts: dict[int, str] = {}

    def work(number: int) -> None:
        path = files.write(tmp_path / f"{number}.txt", f"File {number}.")
        texts[number] = parse(path, path.name).text

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"File {number}." for number in range(12)}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at the child through /proc")
def test_the_reader_has_no_secrets_and_ends_with_its_parent(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.txt", "Words.")
    script = (
        "import os, sys, django; from pathlib import Path; django.setup();"
        "from ingestion.parsing import parse;"
        f"parse(Path({str(path)!r}), 'a.txt'); print('read', flush=True); sys.stdin.read()"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "FOOTNOTE_SECRET_KEY": "do-not-hand-on",
    }
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"read\n"
    (child,) = children(parent.pid)
    assert b"do-not-hand-on" not in Path(f"/proc/{child}/environ").read_bytes()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the reader outlived its parent"
        time.sleep(0.05)


@pytest.mark.slow
def test_the_reader_is_light_and_has_no_django() -> None:
    script = (
        "import sys, ingestion.parsing.worker, ingestion.parsing.reader;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'django', 'kreuzberg', 'pypdfium2', 'nltk', 'torch', 'lxml'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
