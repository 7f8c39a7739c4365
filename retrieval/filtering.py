"""What narrows a search: read out of a typed question, or picked beside it, and turned into the documents that match.

A person narrows in two ways: with operators (`source:handbook author:"Jane Doe" type:pdf after:2024-01-01`), and in
plain words, where only documents can be meant ("according to the Handbook"). A wrong filter hides the answer, so plain
words narrow only where nothing else can be meant, and dates in plain words never do: "since 2024" speaks of what
happened far more often than of a file. See docs/asking.md.

Names are looked up only among what the viewer may read. A source or an author they may not read is an unknown word.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from django.db.models import Q, Value
from django.db.models.functions import Lower

from accounts.viewer import Viewer
from ingestion.access import admitting_policies
from ingestion.models import Document, Source
from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.prepared import Prepared, Slot
from ingestion.querysets import DocumentQuerySet, SourceQuerySet
from ingestion.titles import title_key
from ingestion.words import content_words
from retrieval.types import Filters

KINDS: Mapping[str, tuple[str, ...]] = {
    "pdf": ("pdf",),
    "word": ("docx", "doc", "odt", "rtf"),
    "slides": ("pptx", "ppt", "odp"),
    "spreadsheet": ("xlsx", "xls", "ods", "csv", "tsv"),
    "web": ("html",),
    "markdown": ("md",),
    "email": ("eml", "msg"),
    "text": ("txt",),
    "book": ("epub",),
}
"""The kinds of file one can narrow to, with the formats each stands for."""
KIND_NAMES: Mapping[str, str] = {
    "pdf": "PDF", "word": "Word", "slides": "Slides", "spreadsheet": "Spreadsheet", "web": "Web page",
    "markdown": "Markdown", "email": "E-mail", "text": "Plain text", "book": "Book",
}  # fmt: skip
_SAID: Mapping[str, str] = {
    **{name: kind for kind, formats in KINDS.items() for name in (kind, *formats)},
    "document": "word", "docs": "word", "presentation": "slides", "powerpoint": "slides", "slide": "slides",
    "excel": "spreadsheet", "table": "spreadsheet", "sheet": "spreadsheet", "webpage": "web", "web page": "web",
    "website": "web", "htm": "web", "mail": "email", "e-mail": "email", "message": "email", "plain text": "text",
    "plain": "text", "ebook": "book",
}  # fmt: skip

_OPERATOR = re.compile(
    r"(?<![^\s(])(?P<key>source|author|type|after|since|before|until):"
    r"(?:[\"“”](?P<quoted>[^\"“”]*)[\"“”]|(?P<bare>[^\s\"“”]+?))(?P<end>[?.,;!)]*)(?=\s|$)",
    re.IGNORECASE,
)
_ACCORDING = re.compile(r"\baccording to (?:the |our )?", re.IGNORECASE)
_WITHIN = re.compile(r"\b(?:in|from) (?:the|our) ", re.IGNORECASE)
# A source is meant by its name alone where the name says that it is a collection of texts. A source called "Office" or
# "Sales" is not: "in the office" is a place.
_COLLECTIONS = frozenset(
    """handbook handbooks intranet wiki wikis manual manuals guide guides guidelines policies policy library archive archives
    docs documentation documents files pages notes minutes contracts reports faq faqs playbook playbooks runbooks
    knowledgebase""".split()
)
_CALLED_A_SOURCE = re.compile(r"\s+(?:source|documents|files|folder|pages)\b", re.IGNORECASE)
_ENDS = re.compile(r"\s*(?:$|[?.!,;:)]|\s(?:about|concerning|regarding)\b)", re.IGNORECASE)
_OPENS = re.compile(r"\s*(?:,|$|\?)")
_WRITTEN_BY = re.compile(
    r"\b(?:written|authored) by (?P<name>[^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){1,3})", re.IGNORECASE
)
# What is left must still ask something: "What is in the Handbook?" is about the handbook itself.
_FEWEST_WORDS = 2

NOTHING = Filters()


@dataclass(frozen=True)
class FilterReading:
    """A question without its filter words, the filters in them, and a sentence for each that could not be used."""

    question: str
    filters: Filters = NOTHING
    not_used: tuple[str, ...] = ()


def read_filters(question: str, viewer: Viewer) -> FilterReading:
    """Return what a typed question says about where to look, and the question without it.

    What cannot be understood narrows nothing and is named in a sentence the asker can act on. The question that is left
    is empty when it was nothing but operators.
    """
    rest, typed, not_used = _read_operators(question, viewer)
    rest, plain = _read_plain_words(rest, viewer, typed)
    return FilterReading(rest, _first_of(typed, plain), not_used)


def without_operators(question: str) -> str:
    """Return a question without typed operators, for earlier turns: they narrowed that search, not what it was about."""
    return (
        _tidy(_OPERATOR.sub(lambda found: found["end"], question)) if _OPERATOR.search(question) else question
    )


def merged(picked: Filters, read: FilterReading) -> FilterReading:
    """Return a reading with what was picked beside the box; on the same matter the picked one holds."""
    filters = _first_of(picked, read.filters)
    if filters.since and filters.until and filters.since > filters.until:
        # Only one of the two was picked, else the picker would not have taken them.
        sentence = "The typed day was not used: it contradicts the one picked beside the box, and nothing can be both."
        filters = replace(filters, since=picked.since, until=picked.until)
        return FilterReading(read.question, filters, (*read.not_used, sentence))
    return FilterReading(read.question, filters, read.not_used)


def completed(reply: FilterReading, asked: FilterReading) -> FilterReading:
    """Return the reading of a reply to a question back with the filters of the question it completes.

    On the same matter the reply's own hold. What could not be used of the question was said when it was asked back.
    """
    return FilterReading(reply.question, merged(reply.filters, asked).filters, reply.not_used)


def readable_sources(viewer: Viewer) -> SourceQuerySet:
    """Return the sources a viewer may know by name: those that admit them and hold something they may read."""
    return Source.objects.with_readable(admitting_policies(viewer))


def documents_matching(filters: Filters, viewer: Viewer) -> frozenset[int] | None:
    """Return the documents the filters leave, always among those the viewer may read; None where nothing is narrowed.

    A document without a date is left out when days are narrowed, one without an author when authors are.
    """
    if filters.is_empty:
        return None
    found: DocumentQuerySet = Document.objects.visible_to(viewer)
    if filters.sources:
        found = found.filter(source__public_id__in=[id for id in map(_uuid, filters.sources) if id])
    if filters.authors:
        found = _by_authors(found, filters.authors)
    if filters.types:
        formats = [MEDIA_TYPES[name] for kind in filters.types for name in KINDS.get(kind, ())]
        found = found.filter(current_version__media_type__in=formats)
    if filters.since:
        found = found.filter(dated__gte=filters.since)
    if filters.until:
        found = found.filter(dated__lte=filters.until)
    return frozenset(found.values_list("pk", flat=True))


def kind_named(word: str) -> str | None:
    """Return the kind of file a word stands for, such as `slides` for "PowerPoint", or None."""
    spoken = " ".join(word.lower().replace("_", " ").split())
    return _SAID.get(spoken) or _SAID.get(spoken.replace("-", " ")) or _SAID.get(spoken.removesuffix("s"))


def span_of(written: str) -> tuple[date, date] | None:
    """Return the first and last day of a day, month or year written `2024-03-31`, `2024-03` or `2024`, or None."""
    parts = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", written.strip())
    if parts is None:
        return None
    year, month, day = int(parts[1]), int(parts[2] or 0), int(parts[3] or 0)
    if not 1000 <= year < 9999:
        return None
    try:
        if parts[3]:
            return date(year, month, day), date(year, month, day)
        if parts[2]:
            after = date(year + month // 12, month % 12 + 1, 1)
            return date(year, month, 1), after - timedelta(days=1)
    except ValueError:
        return None
    return date(year, 1, 1), date(year, 12, 31)


# --- Operators ----------------------------------------------------------------------------------------------------


def _read_operators(question: str, viewer: Viewer) -> tuple[str, Filters, tuple[str, ...]]:
    sources: list[str] = []
    authors: list[str] = []
    types: list[str] = []
    since: date | None = None
    until: date | None = None
    not_used: list[str] = []
    operators = list(_OPERATOR.finditer(question))
    for found in operators:
        key, value = found["key"].lower(), _value(found)
        if not value:
            not_used.append(f"“{key}:” was not used: nothing stands after it.")
        elif key == "source":
            named = [str(row[0]) for row in _names(viewer) if title_key(row[1]) == title_key(value)]
            sources += named
            if not named:
                not_used.append(
                    f"“source:{value}” was not used: among what you may read there is no source of that name."
                )
        elif key == "author":
            name = _author(value, viewer)
            authors += [name] if name else []
            if not name:
                not_used.append(
                    f"“author:{value}” was not used: nothing you may read names that author. Write the name in full, in quotes."
                )
        elif key == "type":
            kind = kind_named(value)
            types += [kind] if kind else []
            if not kind:
                not_used.append(
                    f"“type:{value}” was not used: there are {', '.join(list(KINDS)[:-1])} and {list(KINDS)[-1]}."
                )
        elif span := span_of(value):
            first, last = span
            if key in {"since", "after"}:
                begins = first if key == "since" else last + timedelta(days=1)
                since = max(since, begins) if since else begins
            else:
                ends = last if key == "until" else first - timedelta(days=1)
                until = min(until, ends) if until else ends
        else:
            not_used.append(
                f"“{key}:{value}” was not used: write a day as 2024-03-31, a month as 2024-03 or a year as 2024."
            )
    if since and until and since > until:
        not_used.append(
            f"The days were not used: nothing can be dated from {since.isoformat()} on and until {until.isoformat()}."
        )
        since = until = None
    rest = _tidy(_OPERATOR.sub(lambda found: found["end"], question)) if operators else question
    return rest, Filters(_once(sources), _once(authors), _once(types), since, until), tuple(not_used)


def _value(found: re.Match[str]) -> str:
    written = found["quoted"] if found["quoted"] is not None else found["bare"]
    return " ".join(written.split())


# --- Plain words --------------------------------------------------------------------------------------------------


def _read_plain_words(question: str, viewer: Viewer, typed: Filters) -> tuple[str, Filters]:
    """Return the question without the plain words that narrow, and what they narrow to."""
    filters = Filters()
    if not typed.sources and (_ACCORDING.search(question) or _WITHIN.search(question)):
        named = _source_meant(question, viewer)
        if named is not None:
            rest, source = named
            question, filters = rest, replace(filters, sources=(source,))
    written = None if typed.authors else _WRITTEN_BY.search(question)
    if written is not None:
        words = written["name"].split()
        # "written by Jane Doe about travel": the longest run of words that is an author's name.
        for length in range(len(words), 1, -1):
            name = _author(" ".join(words[:length]).rstrip(".'’-"), viewer)
            end = written.start("name") + len(" ".join(words[:length]))
            rest = _tidy(question[: written.start()] + question[end:])
            if name and len(content_words(rest)) >= _FEWEST_WORDS:
                return rest, replace(filters, authors=(name,))
    return question, filters


def _source_meant(question: str, viewer: Viewer) -> tuple[str, str] | None:
    """Return the question without "according to the <name>" or "in the <name>", and the source's public id."""
    names = sorted(_names(viewer), key=lambda row: -len(row[1]))
    for pattern in (_ACCORDING, _WITHIN):
        for found in pattern.finditer(question):
            after = question[found.end() :]
            for public_id, name in names:
                if after[: len(name)].casefold() != name.casefold():
                    continue
                tail = after[len(name) :]
                called = _CALLED_A_SOURCE.match(tail)
                is_certain = pattern is _ACCORDING or called or name.split()[-1].lower() in _COLLECTIONS
                tail = tail[called.end() :] if called else tail
                opens = found.start() == 0 or not question[: found.start()].strip(" ,")
                if not is_certain or not (_OPENS if opens else _ENDS).match(tail):
                    continue
                rest = _tidy(f"{question[: found.start()].rstrip(' ,')}{' ' if opens else ''}{tail}")
                if len(content_words(rest)) < _FEWEST_WORDS or _is_also_a_title(name, public_id, viewer):
                    continue
                return rest, str(public_id)
    return None


def _is_also_a_title(name: str, public_id: UUID, viewer: Viewer) -> bool:
    """Return whether a document of another source is called so too: then it is in doubt which one is meant."""
    others = Document.objects.visible_to(viewer).exclude(source__public_id=public_id)
    return others.filter(title_key=title_key(name)).exists()


# --- Names --------------------------------------------------------------------------------------------------------


def _names(viewer: Viewer) -> list[tuple[UUID, str]]:
    """Return the public id and the name of every source of `readable_sources`, by name."""
    rows = _NAMES.rows(policies=admitting_policies(viewer))
    return sorted(((public_id, name) for public_id, name in rows), key=lambda row: row[1])


# Asked for about every tenth question: put together by Django each time it takes 10 ms.
_NAMES = Prepared(
    lambda: Source.objects.with_readable(Slot("policies")).order_by().values_list("public_id", "name")
)


def _author(name: str, viewer: Viewer) -> str | None:
    """Return an author's name as a readable document states it, or None."""
    found = _by_authors(Document.objects.visible_to(viewer), [name])
    stated: str | None = found.order_by("pk").values_list("author", flat=True).first()
    return stated


def _by_authors(documents: DocumentQuerySet, names: Iterable[str]) -> DocumentQuerySet:
    # The database lowers both sides, so that both are done alike.
    any_of = Q(pk__in=[])
    for name in names:
        any_of |= Q(author_lowered=Lower(Value(name)))
    found: DocumentQuerySet = (
        documents.exclude(author="").annotate(author_lowered=Lower("author")).filter(any_of)
    )
    return found


def _uuid(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _first_of(first: Filters, second: Filters) -> Filters:
    return Filters(
        first.sources or second.sources,
        first.authors or second.authors,
        first.types or second.types,
        first.since or second.since,
        first.until or second.until,
    )


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _tidy(text: str) -> str:
    """Return a text without the holes that taken-out words leave."""
    whole = " ".join(re.sub(r"\(\s*\)", " ", text).split())
    closed = re.sub(r"\s+([?.,;!)])", r"\1", whole)
    return re.sub(r"^[\s,;:.]+|[,;]+(?=[,;?.!]|$)", "", closed).strip()
