"""What connecting a folder would bring in, and who would be able to read it. Reads names and rules; stores nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath

from accounts.models import User
from ingestion.access import Rule
from ingestion.explain import (
    NameOf,
    admitted_by,
    names_of,
    principals_by_person,
    principals_in,
    rule_in_words,
)
from ingestion.sources.folder import check_root, list_folder
from ingestion.types import Found, Refused

MAX_LISTED = 20_000
"""Most entries looked at for a preview; beyond it the numbers are said to be lower bounds."""

SAMPLE = 10
NAMED = 4
KINDS = {
    "pdf": "PDF", "docx": "Word", "doc": "Word", "pptx": "PowerPoint", "ppt": "PowerPoint", "xlsx": "Excel",
    "xls": "Excel", "md": "Markdown", "markdown": "Markdown", "html": "HTML", "htm": "HTML", "txt": "Text",
    "csv": "CSV", "eml": "E-mail", "msg": "E-mail", "odt": "OpenDocument", "rtf": "Rich text", "json": "JSON",
    "xml": "XML", "yaml": "YAML", "yml": "YAML",
}  # fmt: skip


@dataclass(frozen=True)
class Readers:
    """How many people a rule admits, and the first of them by name."""

    count: int
    names: tuple[str, ...]

    @property
    def others(self) -> int:
        return self.count - len(self.names)


@dataclass(frozen=True)
class SampleDocument:
    """One document as it would come in."""

    name: str
    size: int
    modified: datetime
    rule: str
    readers: Readers
    dark_because: str


@dataclass(frozen=True)
class RuleShare:
    """One distinct rule of the folder: how many documents have it and who would read them."""

    rule: str
    documents: int
    readers: Readers
    dark_because: str


@dataclass(frozen=True)
class Preview:
    """What lies in a folder. With `is_more`, all counts are lower bounds."""

    root: str
    documents: int
    is_more: bool
    kinds: tuple[tuple[str, int], ...]
    dark: int
    shares: tuple[RuleShare, ...]
    sample: tuple[SampleDocument, ...]
    refused: int
    refused_sample: tuple[Refused, ...]


def preview_folder(path: str, rule: Rule) -> Preview:
    """Return what a folder source under this source rule would bring in.

    Raises SourceError with a sentence when the folder cannot serve as a source.
    """
    root = check_root(path)
    found: list[Found] = []
    refused: list[Refused] = []
    entries = list_folder(root)
    for entry in islice(entries, MAX_LISTED):
        if isinstance(entry, Found):
            found.append(entry)
        else:
            refused.append(entry)
    is_more = next(entries, None) is not None
    return _preview(root, found, refused, rule, is_more)


def readers_of_rules(
    rules: Sequence[Rule], people: Mapping[int, frozenset[str]], names: Mapping[int, str]
) -> Readers:
    """Return who is admitted by every one of the rules; `names` gives people's names by id."""
    admitted = sorted((names[user] for user in admitted_by(rules, people)), key=str.casefold)
    return Readers(len(admitted), tuple(admitted[:NAMED]))


def names_by_person() -> dict[int, str]:
    """Return the names of the active people by id."""
    return dict(User.objects.filter(is_active=True).values_list("pk", "name"))


def _preview(root: Path, found: list[Found], refused: list[Refused], rule: Rule, is_more: bool) -> Preview:
    people, names = principals_by_person(), names_by_person()
    rules = {entry.rule for entry in found}
    name_of = names_of(principals_in([rule, *rules]))
    readers = {one: readers_of_rules([rule, one], people, names) for one in rules}
    kinds = Counter(_kind(entry.external_id) for entry in found)
    # Documents with the same rule are dark for one reason at a time: each reason is a share of its own.
    shares = Counter((entry.rule, entry.rule_note) for entry in found)
    return Preview(
        root=str(root),
        documents=len(found),
        is_more=is_more,
        kinds=tuple(kinds.most_common()),
        dark=sum(1 for entry in found if entry.rule.is_dark),
        shares=tuple(
            RuleShare(_words(one, name_of), count, readers[one], note)
            for (one, note), count in shares.most_common(12)
        ),
        sample=tuple(
            SampleDocument(
                entry.external_id, entry.size, entry.modified, _words(entry.rule, name_of), readers[entry.rule],
                entry.rule_note,
            )
            for entry in _sample(found)
        ),
        refused=len(refused),
        refused_sample=tuple(refused[:SAMPLE]),
    )  # fmt: skip


def _words(rule: Rule, name_of: NameOf) -> str:
    return rule_in_words(rule, name_of).summary


def _kind(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower().lstrip(".")
    return KINDS.get(suffix, f".{suffix}" if suffix else "no ending")


def _sample(found: Sequence[Found]) -> list[Found]:
    """Return up to ten documents, first one of each rule and reason, so that every kind of rule is seen."""
    firsts: dict[tuple[Rule, str], Found] = {}
    for entry in found:
        firsts.setdefault((entry.rule, entry.rule_note), entry)
    chosen = list(firsts.values())[:SAMPLE]
    taken = {entry.external_id for entry in chosen}
    chosen += islice((e for e in found if e.external_id not in taken), max(SAMPLE - len(chosen), 0))
    return sorted(chosen, key=lambda entry: entry.external_id)
