"""Filters between a person and retrieval: read from what was picked, kept with the question, told in words.

A source is named by its public id; one that does not exist and one the person may not read are told alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.http import QueryDict

from accounts.viewer import Viewer
from assistant.types import NotAskable
from ingestion.models import Document, Source
from retrieval.filtering import KIND_NAMES, KINDS, kind_named, readable_sources, span_of
from retrieval.types import Filters

NO_FILTERS = Filters()
Json = dict[str, Any]  # Any: JSON values

MOST_SOURCES = 100
MOST_AUTHORS = 50
AUTHOR_CHARACTERS = 200
# Authors are suggested from this many of the newest documents: a list for typing ahead, not a register.
NEWEST = 2_000
NO_SUCH_SOURCE = "One of the sources picked is not among those you may read. Take it out and ask again."
GONE = "a source no longer shared with you"


def as_json(filters: Filters) -> Json:
    """Return filters as they are kept with a question: what narrows and nothing else, {} for none."""
    kept: Json = {
        "sources": list(filters.sources),
        "authors": list(filters.authors),
        "types": list(filters.types),
        "since": filters.since.isoformat() if filters.since else "",
        "until": filters.until.isoformat() if filters.until else "",
    }
    return {name: value for name, value in kept.items() if value}


def filters_from(kept: Mapping[str, Any]) -> Filters:
    """Return the filters that `as_json`, or the record of a plan, made JSON of."""
    return Filters(
        sources=tuple(kept.get("sources", ())),
        authors=tuple(kept.get("authors", ())),
        types=tuple(kept.get("types", ())),
        since=_day(kept.get("since")),
        until=_day(kept.get("until")),
    )


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None


@dataclass(frozen=True)
class Picks:
    """What somebody picked, as it was typed or sent: nothing of it has been looked at.

    `sources` are public ids; one of `authors` may hold several names with semicolons between them.
    """

    sources: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, filters: Filters) -> "Picks":
        """Return filters as they were picked."""
        kept = as_json(filters)
        since, until = kept.get("since", ""), kept.get("until", "")
        return cls(filters.sources, filters.authors, filters.types, since, until)

    @classmethod
    def posted(cls, data: QueryDict) -> "Picks":
        """Return what the Narrow control of a page sent."""
        return cls(
            tuple(data.getlist("source")),
            tuple(data.getlist("author")),
            tuple(data.getlist("type")),
            data.get("since", ""),
            data.get("until", ""),
        )


def picked(viewer: Viewer, picks: Picks) -> Filters:
    """Return what somebody picked as filters.

    A month or a year stands for its first day in `since` and its last in `until`.
    Raises NotAskable with a sentence for what cannot be used; unknown and unreadable sources get the same one.
    """
    ids = list(dict.fromkeys(filter(None, (source.strip() for source in picks.sources))))
    names = _names_in(picks.authors)
    if len(ids) > MOST_SOURCES or len(names) > MOST_AUTHORS:
        raise NotAskable(f"Pick at most {MOST_SOURCES} sources and {MOST_AUTHORS} authors.")
    if any(len(name) > AUTHOR_CHARACTERS for name in names):
        raise NotAskable(f"An author's name has at most {AUTHOR_CHARACTERS} characters.")
    filters = Filters(
        sources=_readable(ids, viewer) if ids else (),
        authors=names,
        types=tuple(dict.fromkeys(_kind(word) for word in picks.types if word.strip())),
        since=_span(picks.since)[0] if picks.since.strip() else None,
        until=_span(picks.until)[1] if picks.until.strip() else None,
    )
    if filters.since and filters.until and filters.since > filters.until:
        raise NotAskable(
            "The first day lies after the last, so no document can match. Change one of the two."
        )
    return filters


def _names_in(authors: Iterable[str]) -> tuple[str, ...]:
    written = [name for author in authors for name in author.split(";")]
    return tuple(dict.fromkeys(filter(None, (" ".join(name.split()) for name in written))))


def _readable(ids: Sequence[str], viewer: Viewer) -> tuple[str, ...]:
    known = {str(public_id) for public_id in readable_sources(viewer).values_list("public_id", flat=True)}
    try:
        asked = tuple(str(UUID(id)) for id in ids)
    except ValueError as error:
        raise NotAskable(NO_SUCH_SOURCE) from error
    if not known.issuperset(asked):
        raise NotAskable(NO_SUCH_SOURCE)
    return asked


def _kind(word: str) -> str:
    kind = kind_named(word)
    if kind is None:
        raise NotAskable(f"There is no kind of file called “{word[:40]}”. There are {', '.join(KINDS)}.")
    return kind


def _span(written: str) -> tuple[date, date]:
    span = span_of(written)
    if span is None:
        raise NotAskable(f"“{written[:40]}” is no day. Write it as 2024-03-31.")
    return span


# --- In words -----------------------------------------------------------------------------------------------------


def in_words(filters: Filters, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return what narrows, one phrase each: `Handbook`, `PDF`, `by Jane Doe`, `since 1 Jan 2024`.

    `names` are sources by public id; one that is not among them is told as gone.
    """
    days = [f"since {_written(filters.since)}"] if filters.since else []
    days += [f"until {_written(filters.until)}"] if filters.until else []
    return (
        *dict.fromkeys(names.get(source, GONE) for source in filters.sources),
        *(f"by {author}" for author in filters.authors),
        *(KIND_NAMES.get(kind, kind) for kind in filters.types),
        *days,
    )


def _written(day: date) -> str:
    return f"{day:%-d %b %Y}"


def names_for(viewer: Viewer, filters: Iterable[Filters]) -> dict[str, str]:
    """Return the names of the filters' sources that this viewer may know now, by public id."""
    ids = {source for one in filters for source in one.sources}
    if not ids:
        return {}
    rows = readable_sources(viewer).filter(public_id__in=ids).values_list("public_id", "name")
    return {str(public_id): name for public_id, name in rows}


def names_for_the_record(filters: Filters) -> dict[str, str]:
    """Return the names of the filters' sources by public id, for auditors: the record names sources to them anyway.

    Raises ValueError or TypeError for what is no id.
    """
    ids = [UUID(source) for source in filters.sources]
    rows = Source.objects.filter(public_id__in=ids).values_list("public_id", "name")
    return {str(public_id): name for public_id, name in rows}


NO_PICKS = Picks()

# --- To pick from -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """Something to pick: the value that travels, what it is called, and whether it is picked."""

    value: str
    name: str
    is_picked: bool = False


@dataclass(frozen=True)
class Picker:
    """What the Narrow control offers this viewer, with what is picked now."""

    sources: tuple[Choice, ...]
    types: tuple[Choice, ...]
    authors: tuple[str, ...]
    author: str = ""
    since: str = ""
    until: str = ""
    chips: tuple[str, ...] = ()


def picker_for(viewer: Viewer, picks: Picks = NO_PICKS) -> Picker:
    """Return what there is to pick from: readable sources, kinds of file, authors of readable documents.

    What was picked stays picked, days that are none included: the box says what is wrong with them. A source that is no
    longer shared does not, for the next question would be refused for it.
    """
    sources = [(str(id), name) for id, name in readable_sources(viewer).values_list("public_id", "name")]
    authors = (
        Document.objects.visible_to(viewer)
        .exclude(author="")
        .order_by("-pk")
        .values_list("author", flat=True)[:NEWEST]
    )
    since, until = span_of(picks.since), span_of(picks.until)
    shown = Filters(
        tuple(id for id, _ in sources if id in picks.sources),
        _names_in(picks.authors),
        tuple(kind for kind in KINDS if kind in picks.types),
        since[0] if since else None,
        until[1] if until else None,
    )
    return Picker(
        sources=tuple(Choice(id, name, id in shown.sources) for id, name in sources),
        types=tuple(Choice(kind, KIND_NAMES[kind], kind in shown.types) for kind in KINDS),
        authors=tuple(sorted(set(authors), key=str.casefold)[:MOST_AUTHORS]),
        author="; ".join(shown.authors),
        since=picks.since,
        until=picks.until,
        chips=in_words(shown, dict(sources)),
    )
