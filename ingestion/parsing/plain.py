"""Plain text, and tables of values."""

import csv
import io
import re
from importlib.metadata import version
from pathlib import Path

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.text import Reading, count_planted, decode

_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_SETEXT = re.compile(r"^(?P<title>\S[^\n]{0,120})\n(?P<mark>=+|-+)[ \t]*$")


def read_text(path: Path) -> Reading:
    """Read a text file as it stands; a line underlined with === or --- is a heading."""
    reading = Reading(MEDIA_TYPES["txt"], "text")
    content = decoded(path.read_bytes(), reading)
    for block in _BLANK.split(content.replace("\r\n", "\n").replace("\r", "\n")):
        underlined = _SETEXT.match(block.strip("\n"))
        if underlined and len(underlined["mark"]) >= min(3, len(underlined["title"])):
            reading.text.heading(1 if underlined["mark"][0] == "=" else 2, underlined["title"])
        else:
            reading.text.block(block)
    return reading


def read_values(path: Path, kind: str) -> Reading:
    """Read a CSV or TSV file as one table; the first row is repeated nowhere, each row is a line."""
    reading = Reading(MEDIA_TYPES[kind], "csv")
    content = decoded(path.read_bytes(), reading)
    csv.field_size_limit(10_000_000)
    try:
        for row in csv.reader(
            io.StringIO(content.replace("\0", ""), newline=""), delimiter=_delimiter(content, kind)
        ):
            reading.text.row(row)
    except csv.Error as error:
        reading.warn(f"The table could be read only in part: {error}.")
    return reading


def decoded(data: bytes, reading: Reading, declared: str = "") -> str:
    """Return a file's text, and note in the reading what had to be guessed or was invisible."""
    content, encoding = decode(data, declared)
    if "\ufffd" in content:
        reading.warn("Some characters could not be read and are shown as �.")
    plain = encoding.replace("_", "-").lower()
    if not plain.startswith(("utf", "ascii")) and encoding != declared:
        reading.warn(f"The file does not say how its letters are written; it was read as {encoding}.")
        reading.parser += f", charset-normalizer {version('charset-normalizer')}"
    note_planted(content, reading)
    return content


def note_planted(content: str, reading: Reading) -> None:
    """Note invisible tag characters, which are left out of the text."""
    planted = count_planted(content)
    if planted:
        reading.warn(
            f"The file holds {planted} characters that cannot be seen on a screen; they were left out. "
            "Such characters can carry instructions to a machine."
        )


def _delimiter(content: str, kind: str) -> str:
    """Return what separates values: the candidate that cuts the first lines into equally many parts."""
    lines = [line for line in content[:20_000].splitlines()[:20] if line.strip()]
    best, best_score = ("\t" if kind == "tsv" else ","), 0.0
    for candidate in ("\t", ",", ";", "|") if kind == "csv" else ("\t", ",", ";"):
        counts = [line.count(candidate) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        score = counts.count(usual) / len(counts) * min(usual, 50) if usual else 0.0
        if score > best_score:
            best, best_score = candidate, score
    return best
