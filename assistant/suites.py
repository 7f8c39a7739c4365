"""Evaluation suites on disk: corpus.jsonl, queries.jsonl and qrels.tsv, read and checked."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.types import Turn

CORPUS, QUERIES, GRADES = "corpus.jsonl", "queries.jsonl", "qrels.tsv"


class SuiteError(Exception):
    """The suite folder cannot be used; the message names file and line."""


@dataclass(frozen=True)
class SuiteDocument:
    """One line of corpus.jsonl. `acl` None means everyone in the suite may read it; an empty list, nobody."""

    id: str
    title: str
    text: str
    acl: tuple[str, ...] | None


@dataclass(frozen=True)
class SuiteQuery:
    """One line of queries.jsonl. `readers` empty means asked by somebody who is in every group of the suite.

    `standalone` is the question as a person would ask it without its history, where somebody wrote that down.
    """

    id: str
    text: str
    type: str
    answers: tuple[str, ...]
    history: tuple[Turn, ...]
    readers: tuple[str, ...]
    standalone: str = ""


@dataclass(frozen=True)
class Suite:
    """A whole suite. `grades` maps a query's id to its documents' grades."""

    name: str
    documents: tuple[SuiteDocument, ...]
    queries: tuple[SuiteQuery, ...]
    grades: dict[str, dict[str, int]]


def read_suite(folder: Path) -> Suite:
    """Return the suite in a folder. Raises SuiteError with file and line when something is missing or malformed."""
    if not folder.is_dir():
        raise SuiteError(
            f"There is no folder {folder}. Give the folder that holds corpus.jsonl and queries.jsonl."
        )
    documents = tuple(_document(row, where) for row, where in _rows(folder / CORPUS))
    if not documents:
        raise SuiteError(f"{folder / CORPUS} holds no documents.")
    ids = {document.id for document in documents}
    if len(ids) != len(documents):
        raise SuiteError(f"{folder / CORPUS} holds the same id more than once.")
    queries = tuple(_query(row, where) for row, where in _rows(folder / QUERIES))
    return Suite(folder.resolve().name, documents, queries, _grades(folder / GRADES))


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], str]]:  # Any: JSON as it stands in the file
    if not path.is_file():
        raise SuiteError(f"{path} is missing.")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise SuiteError(f"{where}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                raise SuiteError(f'{where}: expected an object like {{"id": …, "text": …}}.')
            yield row, where


def _text(row: dict[str, Any], key: str, where: str) -> str:  # Any: as above
    value = row.get(key)
    if not isinstance(value, str | int) or value == "":
        raise SuiteError(f"{where}: “{key}” is missing.")
    return str(value)


def _document(row: dict[str, Any], where: str) -> SuiteDocument:  # Any: as above
    acl = row.get("acl")
    if acl is not None and not (isinstance(acl, list) and all(isinstance(name, str) for name in acl)):
        raise SuiteError(f"{where}: “acl” must be a list of names.")
    return SuiteDocument(
        id=_text(row, "id", where),
        title=str(row.get("title") or ""),
        text=_text(row, "text", where),
        acl=None if acl is None else tuple(acl),
    )


def _query(row: dict[str, Any], where: str) -> SuiteQuery:  # Any: as above
    turns: list[Turn] = []
    for entry in row.get("history") or []:
        if entry.get("speaker") == "user":
            turns.append(Turn(str(entry.get("text", "")), ""))
        elif turns:
            turns[-1] = Turn(turns[-1].question, str(entry.get("text", "")))
    return SuiteQuery(
        id=_text(row, "id", where),
        text=_text(row, "text", where),
        type=str(row.get("type") or ""),
        answers=tuple(str(answer) for answer in row.get("answers") or [] if str(answer).strip()),
        history=tuple(turns),
        readers=tuple(str(reader) for reader in row.get("readers") or []),
        standalone=str(row.get("standalone") or ""),
    )


def is_unanswerable(query: SuiteQuery) -> bool:
    """Return whether the suite says that its documents do not answer a question: its type begins with that word."""
    return query.type.startswith("unanswerable")


def digest_of_file(path: Path) -> str:
    """Return the digest of a file's bytes as `sha256:…`. Raises SuiteError when there is no such file."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise SuiteError(f"{path} cannot be read: {error.strerror}.") from error


def _grades(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    if not path.is_file():
        raise SuiteError(f"{path} is missing.")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split("\t")
        if len(parts) < 3 or not parts[-1].strip().lstrip("-").isdigit():
            raise SuiteError(
                f"{path.name}, line {number}: expected query, document and grade, separated by tabs."
            )
        grades.setdefault(parts[0], {})[parts[-2]] = int(parts[-1])
    return grades
