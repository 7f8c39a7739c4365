"""Golden questions and results as files: CSV and JSON lines in, with an error per line, and CSV out."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.events import spreadsheet_text
from accounts.models import User
from accounts.viewer import Viewer
from assistant.golden.actions import MOST_QUESTIONS
from assistant.golden.models import EvaluationResult, EvaluationRun, GoldenQuestion
from assistant.golden.types import Entry
from ingestion.models import Document

COLUMNS = ("question", "asker", "outcome", "documents", "words")
RESULT_COLUMNS = (
    "question", "asker", "expected_outcome", "outcome", "as_expected", "ranks", "has_words", "milliseconds", "error",
)  # fmt: skip
MOST_BYTES = 2 * 1024 * 1024
MOST_ERRORS = 50
LONGEST_QUESTION = 4_000
LONGEST_WORDS = 300
OUTCOMES = {"": "answered", "answered": "answered", "refused": "refused"}


class NotReadable(Exception):
    """A file of golden questions that cannot be read as a whole; the message is a sentence."""


@dataclass(frozen=True)
class LineError:
    """What is wrong with one line of the file, counted from 1 as an editor counts."""

    line: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"


class _BadLine(Exception):
    """What is wrong with the line that is being read."""


@dataclass(frozen=True)
class Read:
    """What a file held: the entries, and everything that is wrong with it (no more than fifty are named)."""

    entries: tuple[Entry, ...]
    errors: tuple[LineError, ...]


def read_file(content: bytes, viewer: Viewer) -> Read:
    """Return the entries of a CSV or JSON-lines file. Documents are looked for among those the viewer may read only.

    Raises NotReadable with a sentence when it is neither, or too large.
    """
    if len(content) > MOST_BYTES:
        raise NotReadable(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB. Divide it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable("The file is not UTF-8 text. Save it as CSV in UTF-8, or as JSON lines.") from error
    if not text.strip():
        raise NotReadable("The file is empty.")
    rows = _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text)
    documents, askers = _Documents(viewer), _Askers()
    entries: list[Entry] = []
    errors: list[LineError] = []
    for line, row in rows:
        try:
            if isinstance(row, str):
                raise _BadLine(row)
            if len(entries) >= MOST_QUESTIONS:
                raise NotReadable(f"The file holds more than {MOST_QUESTIONS} questions. Divide it.")
            entries.append(_entry(row, documents, askers))
        except _BadLine as error:
            errors.append(LineError(line, str(error)))
            if len(errors) >= MOST_ERRORS:
                break
    return Read(tuple(entries), tuple(errors))


Row = Mapping[str, Any] | str  # Any: a JSON value or a cell; a text says why the line is no row


def _json_rows(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            yield number, 'this is no JSON. Each line is one object, such as {"question": …, "asker": …}.'
            continue
        yield number, row if isinstance(row, dict) else "this is JSON, but no object."


def _csv_rows(text: str) -> Iterator[tuple[int, Row]]:
    # A spreadsheet in some countries separates by semicolons.
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ","
    )
    names = [name.strip().lower() for name in reader.fieldnames or []]
    missing = [name for name in ("question", "asker") if name not in names]
    if missing:
        raise NotReadable(
            f"The first line must name the columns, and {' and '.join(f'“{name}”' for name in missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. There can be: {', '.join(COLUMNS)}."
        )
    reader.fieldnames = names
    before = reader.line_num
    try:
        for row in reader:
            # The line on which the row begins: a quoted cell may hold line breaks.
            line, before = before + 1, reader.line_num
            if None in row:
                yield (
                    line,
                    "this line has more cells than there are columns. Put cells with a comma in quotes.",
                )
            else:
                yield line, {name: _cell(value) for name, value in row.items()}
    except csv.Error as error:
        raise NotReadable(f"The file is no CSV from line {reader.line_num} on ({error}).") from error


def _cell(value: str | None) -> str:
    """Return a cell without the apostrophe that our own export puts before what a spreadsheet would run."""
    text = (value or "").strip()
    return text[1:] if text[:1] == "'" and spreadsheet_text(text[1:]) == text else text


def _entry(row: Mapping[str, Any], documents: "_Documents", askers: "_Askers") -> Entry:  # Any: as in Row
    text = " ".join(str(row.get("question") or "").split())
    if not text:
        raise _BadLine("the question is missing.")
    if len(text) > LONGEST_QUESTION:
        raise _BadLine(f"the question is longer than {LONGEST_QUESTION} characters.")
    outcome = str(row.get("outcome") or "").strip().lower()
    if outcome not in OUTCOMES:
        raise _BadLine(f"the outcome “{outcome}” is neither “answered” nor “refused”.")
    words = " ".join(str(row.get("words") or "").split())
    if len(words) > LONGEST_WORDS:
        raise _BadLine(f"the expected words are longer than {LONGEST_WORDS} characters.")
    named = row.get("documents") or ()
    parts = named.split(";") if isinstance(named, str) else named
    if not isinstance(parts, list | tuple):
        raise _BadLine("the documents are neither text nor a list.")
    names = [str(part).strip() for part in parts if str(part).strip()]
    if OUTCOMES[outcome] == GoldenQuestion.Outcome.REFUSED and (names or words):
        raise _BadLine("where no answer is to be found, no document and no words can be expected.")
    return Entry(
        text, askers.named(str(row.get("asker") or "").strip()), OUTCOMES[outcome],
        tuple(documents.named(name) for name in names), words,
    )  # fmt: skip


class _Askers:
    """Finds askers by their address."""

    def __init__(self) -> None:
        self._known = {user.email.lower(): user for user in User.objects.filter(is_active=True)}

    def named(self, email: str) -> User:
        if not email:
            raise _BadLine("the asker's e-mail address is missing.")
        found = self._known.get(email.lower())
        if found is None:
            raise _BadLine(f"nobody with the address “{email}” can sign in.")
        return found


class _Documents:
    """Finds documents by public id, name within their source, or title, among those one viewer may read.

    What they may not read is not looked at, so it answers like what does not exist.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._visible = Document.objects.visible_to(viewer)
        self._known: dict[str, str] = {}

    def named(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> str:
        for wanted in ({"public_id": _uuid(name)}, {"external_id": name}, {"title__iexact": name}):
            found = list(self._visible.filter(**wanted).values_list("public_id", flat=True)[:2])
            if len(found) == 1:
                return str(found[0])
            if found:
                raise _BadLine(
                    f"more than one document is called “{name}”. Give its id, as its address shows it."
                )
        raise _BadLine(f"there is no document “{name}” that you may read.")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def questions_csv(questions: Iterable[GoldenQuestion], viewer: Viewer) -> Iterator[bytes]:
    """Yield golden questions as they can be read in again. Documents the viewer may not read are left out."""
    yield _row(COLUMNS)
    for question in questions:
        # Ids alone name nothing, but what goes out should come in again as the same person's picks.
        readable = Document.objects.visible_to(viewer).filter(public_id__in=question.documents)
        kept = {str(public_id) for public_id in readable.values_list("public_id", flat=True)}
        documents = ";".join(public_id for public_id in question.documents if public_id in kept)
        yield _row(
            (question.text, question.asker.email, question.expected_outcome, documents, question.words)
        )


def results_csv(run: EvaluationRun) -> Iterator[bytes]:
    """Yield what came of each question of a run. Ranks of the expected documents are separated by semicolons."""
    yield _row(RESULT_COLUMNS)
    results: Iterable[EvaluationResult] = run.results.select_related("asker").iterator()
    for result in results:
        ranks = ";".join("–" if rank is None else str(rank) for rank in result.ranks)
        yield _row(
            (
                result.text, result.asker.email, result.expected_outcome, result.outcome or result.state,
                _yes(result.is_right), ranks, _yes(result.has_words),
                "" if result.milliseconds is None else result.milliseconds, result.error,
            )
        )  # fmt: skip


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _row(values: Iterable[object]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([spreadsheet_text(value) for value in values])
    return buffer.getvalue().encode("utf-8", "replace")
