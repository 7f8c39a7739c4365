"""Read one file in this process: what the parser's child process runs. Settings are given, not looked up."""

from dataclasses import dataclass
from pathlib import Path

from ingestion.chunking import Section
from ingestion.parsing import stated
from ingestion.parsing.archive import check_archive
from ingestion.parsing.detect import MEDIA_TYPES, detect
from ingestion.parsing.text import Reading
from ingestion.types import Parsed, Unreadable

ARCHIVES = {"docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"}
MAX_TITLE = 300
MAX_AUTHOR = 200
MAX_WARNINGS = 20


@dataclass(frozen=True)
class Limits:
    """The most a file may be: bytes on disk, bytes unpacked, characters of text kept."""

    file_bytes: int
    unpacked_bytes: int
    characters: int


def read(path: Path, name: str, limits: Limits) -> Parsed:
    """Return a file's text and what it says about itself. Raises Unreadable."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Unreadable("vanished", "The file is no longer there.") from error
    if size == 0:
        raise Unreadable("empty", "The file is empty.")
    if size > limits.file_bytes:
        raise Unreadable("too_large", f"The file has {size / 1024**2:,.0f} MB; up to {limits.file_bytes // 1024**2} MB are read.")  # fmt: skip
    try:
        kind, warning = detect(path, name)
        if kind in ARCHIVES:
            check_archive(path, limits.unpacked_bytes)
        reading = _read(path, kind, limits)
    except Unreadable:
        raise
    except MemoryError as error:
        raise Unreadable("too_large", "Reading the file takes more memory than one file may use.") from error
    except RecursionError as error:
        raise Unreadable("corrupt", "The file is nested more deeply than any document is.") from error
    except OSError as error:
        raise Unreadable(
            "unreadable", f"The file could not be read: {(error.strerror or 'no reason given').lower()}."
        ) from error
    except Exception as error:  # the libraries raise whatever a broken file led them to
        raise Unreadable(
            "corrupt", f"The file is damaged: reading it failed ({type(error).__name__})."
        ) from error
    if warning:
        reading.warnings.insert(0, warning)
    return _settled(reading, name, limits.characters)


def _read(path: Path, kind: str, limits: Limits) -> Reading:
    if kind == "pdf":
        from ingestion.parsing.pdf import read_pdf

        return read_pdf(path, limits.characters)
    if kind == "docx":
        from ingestion.parsing.word import read_word

        return read_word(path)
    if kind == "pptx":
        from ingestion.parsing.slides import read_slides

        return read_slides(path)
    if kind == "epub":
        from ingestion.parsing.book import read_book

        return read_book(path)
    if kind == "html":
        from ingestion.parsing.markup import read_html

        return read_html(path)
    if kind == "md":
        from ingestion.parsing.markdown import read_markdown

        return read_markdown(path)
    if kind == "eml":
        from ingestion.parsing.mail import read_mail

        return read_mail(path)
    if kind in {"csv", "tsv"}:
        from ingestion.parsing.plain import read_values

        return read_values(path, kind)
    if kind == "txt":
        from ingestion.parsing.plain import read_text

        return read_text(path)
    from ingestion.parsing.office import read_office

    return read_office(path, kind)


def _settled(reading: Reading, name: str, max_characters: int) -> Parsed:
    """Settle title, date, status and length the same way for every format."""
    text, sections = reading.text.finish()
    if not text.strip():
        raise Unreadable("empty", "The file holds no text.")
    if len(text) > max_characters:
        text, sections = _shortened(text, sections, max_characters)
        reading.warn(
            f"Only the first {max_characters:,} characters were read (FOOTNOTE_MAX_TEXT_CHARACTERS); the rest is missing."
        )
    # The name of a sheet, such as Sheet1, says less than the name of the file.
    is_sheets = reading.media_type in {MEDIA_TYPES[kind] for kind in ("xlsx", "xls", "ods")}
    headings = () if is_sheets else (section.headings[0] for section in sections if section.headings)
    title = stated.meaningful_title(reading.title) or stated.likeliest_title(reading.title_lines, name)
    title = title or next(iter(headings), "") or stated.title_from_name(name)
    return Parsed(
        text=text,
        sections=sections,
        title=_cut(title, MAX_TITLE),
        author=_cut(stated.meaningful_author(reading.author), MAX_AUTHOR),
        dated=stated.stated_date(text) or reading.dated,
        is_superseded=stated.says_superseded(reading.status, text),
        media_type=reading.media_type,
        page_count=reading.page_count,
        parser=reading.parser[:80],
        warnings=tuple(reading.warnings[:MAX_WARNINGS]),
        links=tuple(reading.text.links),
    )


def _shortened(text: str, sections: tuple[Section, ...], limit: int) -> tuple[str, tuple[Section, ...]]:
    """Cut at the last line break before the limit."""
    cut = text.rfind("\n", limit // 2, limit)
    text = text[: cut if cut > 0 else limit].rstrip()
    kept = (
        Section(section.start, min(section.end, len(text)), section.page, section.headings)
        for section in sections
        if section.start < len(text)
    )
    return text, tuple(kept)


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
