"""What kind of file it is, by its content; the name decides only between kinds of plain text."""

import re
import zipfile
from pathlib import Path

from ingestion.types import Unreadable

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
    "rtf": "application/rtf",
    "html": "text/html",
    "md": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "eml": "message/rfc822",
    "txt": "text/plain",
}
NAMES = {
    "pdf": "a PDF", "docx": "a Word document", "pptx": "a PowerPoint presentation", "xlsx": "an Excel workbook",
    "odt": "an OpenDocument text", "ods": "an OpenDocument spreadsheet", "odp": "an OpenDocument presentation",
    "epub": "an EPUB book", "doc": "an old Word document", "xls": "an old Excel workbook",
    "ppt": "an old PowerPoint presentation", "msg": "an Outlook message", "rtf": "an RTF document",
    "html": "a web page", "md": "Markdown", "csv": "a table of values", "tsv": "a table of values",
    "eml": "an e-mail message", "txt": "plain text",
}  # fmt: skip
_EXTENSIONS = {
    "markdown": "md", "mdown": "md", "mkd": "md", "htm": "html", "xhtml": "html", "tab": "tsv", "docm": "docx",
    "dotx": "docx", "dotm": "docx", "pptm": "pptx", "ppsx": "pptx", "potx": "pptx", "xlsm": "xlsx", "xltx": "xlsx",
    "ott": "odt", "dot": "doc", "pps": "ppt", "xlt": "xls",
}  # fmt: skip
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG", 0, "picture"), (b"\xff\xd8\xff", 0, "picture"), (b"GIF8", 0, "picture"), (b"BM", 0, "picture"),
    (b"II*\x00", 0, "picture"), (b"MM\x00*", 0, "picture"), (b"WEBP", 8, "picture"), (b"ftypheic", 4, "picture"),
    (b"\x00\x00\x01\x00", 0, "picture"), (b"8BPS", 0, "picture"),
    (b"\x1f\x8b", 0, "archive"), (b"7z\xbc\xaf\x27\x1c", 0, "archive"), (b"Rar!", 0, "archive"),
    (b"BZh", 0, "archive"), (b"\xfd7zXZ", 0, "archive"), (b"(\xb5/\xfd", 0, "archive"), (b"ustar", 257, "archive"),
    (b"ID3", 0, "recording"), (b"OggS", 0, "recording"), (b"RIFF", 0, "recording"), (b"fLaC", 0, "recording"),
    (b"\x1aE\xdf\xa3", 0, "recording"), (b"ftyp", 4, "recording"), (b"\xff\xfb", 0, "recording"),
    (b"\x7fELF", 0, "program"), (b"MZ", 0, "program"), (b"\xca\xfe\xba\xbe", 0, "program"),
    (b"\xcf\xfa\xed\xfe", 0, "program"), (b"SQLite format 3", 0, "database"), (b"!BDN", 0, "mail archive"),
)  # fmt: skip
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S
)
_ANY_TAG = re.compile(rb"<(?:html|head|body|p|div|table|h[1-6]|ul|ol|br|span|title|meta)\b[^>]*>", re.I)
_HEADER = re.compile(
    rb"(?:(?:from|to|cc|subject|date|received|message-id|return-path|mime-version|delivered-to|reply-to|"
    rb"content-type|x-[\w-]+):[^\n]*\n(?:[ \t]+[^\n]*\n)*){3,}",
    re.I,
)


def extension(name: str) -> str:
    """Return the kind that a file's name claims, such as `docx`, or an empty string."""
    suffix = Path(name).suffix.lower().removeprefix(".")
    return _EXTENSIONS.get(suffix, suffix)


def detect(path: Path, name: str) -> tuple[str, str]:
    """Return the kind of a file (a key of MEDIA_TYPES) and a warning when its name claims another.

    Raises Unreadable: encrypted (an Office file in a locked envelope), corrupt, unsupported.
    """
    with path.open("rb") as file:
        head = file.read(65536)
    kind = _kind(path, head, extension(name))
    claimed = extension(name)
    warning = ""
    if claimed in MEDIA_TYPES and claimed != kind:
        warning = f"The file is named like {NAMES[claimed]} but is {NAMES[kind]}; it was read as what it is."
    return kind, warning


def _kind(path: Path, head: bytes, claimed: str) -> str:
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_kind(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound_kind(path)
    if head.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    narrow = _narrowed(head)
    if _HTML.match(narrow):
        return "html"
    if _is_wide(head):
        return _text_kind(narrow, claimed)
    for signature, offset, what in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature and not _looks_like_text(head):
            raise _unsupported(what)
    if claimed in {
        "pdf",
        "docx",
        "pptx",
        "xlsx",
        "odt",
        "ods",
        "odp",
        "epub",
        "doc",
        "xls",
        "ppt",
        "msg",
    } and (not _looks_like_text(head)):
        raise Unreadable("corrupt", f"The file is named like {NAMES[claimed]} but is damaged: it does not begin as one does.")  # fmt: skip
    if not _looks_like_text(head):
        raise Unreadable("unsupported", "The file is neither text nor a document of a kind that can be read.")
    return _text_kind(narrow, claimed)


def _text_kind(narrow: bytes, claimed: str) -> str:
    if claimed == "html":
        return "html" if _ANY_TAG.search(narrow) else "txt"
    if claimed in {"md", "csv", "tsv"}:
        return claimed
    if _HEADER.match(narrow.replace(b"\r\n", b"\n")):
        return "eml"
    return "txt"


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()[:20_000]}
            stated = b""
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                stated = archive.read("mimetype").strip()
            if any(info.flag_bits & 1 for info in archive.infolist()):
                raise Unreadable("encrypted", "The file is locked with a password. Save a copy without one.")
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise Unreadable(
            "corrupt",
            "The file is damaged: it is packed like an office document, but its contents list cannot be read.",
        ) from error
    for kind in ("odt", "ods", "odp", "epub"):
        if stated.startswith(MEDIA_TYPES[kind].encode()):
            return kind
    if "[Content_Types].xml" in names:
        for folder, kind in (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx")):
            if any(name.startswith(folder) for name in names):
                return kind
    if "META-INF/container.xml" in names:
        return "epub"
    raise _unsupported("archive")


def _compound_kind(path: Path) -> str:
    # The names of the streams stand in the directory as UTF-16; a look through the file finds them wherever it lies.
    data = path.read_bytes()
    for stream, kind in (
        ("EncryptedPackage", ""), ("WordDocument", "doc"), ("PowerPoint Document", "ppt"), ("__substg1.0_", "msg"),
        ("Workbook", "xls"), ("Book", "xls"),
    ):  # fmt: skip
        if stream.encode("utf-16-le") in data:
            if not kind:
                raise Unreadable("encrypted", "The file is locked with a password. Save a copy without one.")
            return kind
    raise Unreadable("unsupported", "The file is of an old Office kind that cannot be read.")


def _is_wide(head: bytes) -> bool:
    from ingestion.parsing.text import _without_mark

    marked = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
    return marked or bool(_without_mark(head[: len(head) // 4 * 4]))


def _narrowed(head: bytes) -> bytes:
    """Return ASCII that is written wide (UTF-16, UTF-32) as if it were not, for looking at what it begins with."""
    if _is_wide(head):
        return head.replace(b"\0", b"").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    return head.removeprefix(b"\xef\xbb\xbf")


def _looks_like_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    odd = sum(head.count(byte) for byte in range(32) if byte not in (7, 8, 9, 10, 12, 13, 27))
    return odd <= len(head) * 0.02


def _unsupported(what: str) -> Unreadable:
    sentences = {
        "picture": "The file is a picture; it has no text to read.",
        "archive": "The file is an archive. Unpack it and add the documents themselves.",
        "recording": "The file is a recording; it has no text to read.",
        "program": "The file is a program, not a document.",
        "database": "The file is a database, not a document.",
        "mail archive": "The file is a mail archive. Save the messages themselves.",
    }
    return Unreadable("unsupported", sentences[what])
