"""The gate: the only place where chunk text is loaded for answering, decided again in the database, now.

What stands before the gate holds ids and scores. The index is a hint and may be out of date; a candidate passes when
its document, as the database has it at this moment, admits this viewer and its chunk belongs to the version on show.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accounts.viewer import Viewer
from ingestion.access import Rule, admitting_policies, rule_of
from ingestion.models import AccessPolicy, Chunk, Document
from ingestion.prepared import Prepared, Slot
from ingestion.querysets import Through
from retrieval.types import Gated, Grant, Passage, Withheld

COLUMNS = (
    "id", "version_id", "ordinal", "start", "end", "page", "headings", "text", "digest",
    "version__document_id", "version__document__public_id", "version__document__title",
    "version__document__author", "version__document__dated", "version__document__is_superseded",
    "version__document__policy_id", "version__document__policy__digest", "version__document__source__policy_id",
    "version__document__source__policy__digest", "version__document__source__name",
    "version__document__source__authority", "version__document__source_id", "links", "sentence_embeddings",
    "words", "table_head",
)  # fmt: skip


_READ = Prepared(
    lambda: (
        Chunk.objects.admitted(Slot("policies"))
        .filter(Through("id", Slot("chunks")))
        .order_by()
        .values_list(*COLUMNS)
    )
)
"""`Chunk.objects.readable_by` over the chunks asked for, put together once."""


def pass_gate(chunk_ids: Sequence[int], viewer: Viewer) -> Gated:
    """Return the passages among these chunks that the viewer may read now, in the given order, and what was withheld.

    Text is loaded by the same query that decides: there is no moment at which text of a refused chunk is held.
    """
    unique = list(dict.fromkeys(chunk_ids))
    if not unique:
        return Gated((), ())
    rows = _READ.rows(policies=admitting_policies(viewer), chunks=unique)
    passages = _passages((dict(zip(COLUMNS, row, strict=True)) for row in rows), viewer)
    return Gated(
        tuple(passages[chunk] for chunk in unique if chunk in passages),
        _reasons([chunk for chunk in unique if chunk not in passages]),
    )


def neighbours(passage: Passage, viewer: Viewer, before: int = 1, after: int = 1) -> tuple[Passage, ...]:
    """Return the chunks around a passage in its document, gated afresh, the passage itself left out."""
    rows = (
        Chunk.objects.readable_by(viewer)
        .filter(version__document_id=passage.document)
        .filter(ordinal__gte=passage.ordinal - before, ordinal__lte=passage.ordinal + after)
        .exclude(pk=passage.chunk)
        .order_by("ordinal")
        .values(*COLUMNS)
    )
    return tuple(_passages(rows, viewer).values())


def standing_words(
    cited: Sequence[tuple[int, int, int]], viewer: Viewer
) -> list[tuple[Passage, int, int] | None]:
    """Return for each (chunk, start, end) cited from a replaced version where the same words stand in today's version.

    None when the viewer may not read the document now, or when its current version no longer holds the words: a
    version may have been replaced for the very reason that they should be gone.
    """
    found: list[tuple[Passage, int, int] | None] = []
    readable = Document.objects.visible_to(viewer)
    rows = Chunk.objects.filter(pk__in={chunk for chunk, _, _ in cited}, version__document__in=readable)
    replaced = {row[0]: row[1:] for row in rows.values_list("id", "start", "text", "version__document_id")}
    for chunk, start, end in cited:
        place = None
        if chunk in replaced:
            offset, text, document = replaced[chunk]
            words = text[max(0, start - offset) : max(0, end - offset)]
            place = _standing(words, document, viewer) if words else None
        found.append(place)
    return found


def _standing(words: str, document: int, viewer: Viewer) -> tuple[Passage, int, int] | None:
    rows = (
        Chunk.objects.readable_by(viewer)
        .filter(version__document_id=document)
        .filter(text__contains=words)
        .order_by("ordinal")
        .values(*COLUMNS)
    )
    for passage in _passages(rows, viewer).values():
        position = passage.text.find(words)  # the database's own comparison may not mind upper and lower case
        if position >= 0:
            return passage, passage.start + position, passage.start + position + len(words)
    return None


def _passages(found: Iterable[Mapping[str, Any]], viewer: Viewer) -> dict[int, Passage]:  # Any: column values
    rows = list(found)
    rules = _rules(
        {
            row[f"version__document__{of}policy_id"]: row[f"version__document__{of}policy__digest"]
            for row in rows
            for of in ("", "source__")
        }
    )
    grants: dict[tuple[int, int], Grant] = {}
    passages: dict[int, Passage] = {}
    for row in rows:
        both = row["version__document__policy_id"], row["version__document__source__policy_id"]
        if both not in grants:
            grants[both] = _grant(*both, rules, viewer)
        passages[row["id"]] = Passage(
            chunk=row["id"], chunk_digest=row["digest"], ordinal=row["ordinal"],
            document=row["version__document_id"], document_public_id=str(row["version__document__public_id"]),
            version=row["version_id"], title=row["version__document__title"],
            source_name=row["version__document__source__name"], author=row["version__document__author"],
            dated=row["version__document__dated"], is_superseded=row["version__document__is_superseded"],
            page=row["page"], headings=tuple(row["headings"]), start=row["start"], end=row["end"], text=row["text"],
            grant=grants[both],
            authority=row["version__document__source__authority"],
            source=row["version__document__source_id"], links=tuple(row["links"]),
            sentence_embeddings=bytes(row["sentence_embeddings"] or b""), words=bytes(row["words"] or b""),
            table_head=row["table_head"],
        )  # fmt: skip
    return passages


def _grant(policy: int, source_policy: int, rules: Mapping[int, Rule], viewer: Viewer) -> Grant:
    clauses = sorted(rules[source_policy].clauses | rules[policy].clauses, key=sorted)
    return Grant(
        policy, source_policy, tuple(tuple(sorted(clause & viewer.principals)) for clause in clauses)
    )


# A policy's rule never changes, and its digest says which rule it is. Only what a passage is said to be readable
# through comes from here; whether it is readable the database has decided.
_known: OrderedDict[str, Rule] = OrderedDict()
_known_lock = threading.Lock()
MOST_KNOWN = 10_000


def _rules(digests: Mapping[int, str]) -> dict[int, Rule]:
    """Return the rules of policies, given by id with their digests."""
    with _known_lock:
        rules = {policy: _known[digest] for policy, digest in digests.items() if digest in _known}
    unknown = [policy for policy in digests if policy not in rules]
    if unknown:
        policies = AccessPolicy.objects.filter(pk__in=unknown).prefetch_related("clauses", "denials")
        read = {policy.pk: rule_of(policy) for policy in policies}
        rules |= read
        with _known_lock:
            _known.update({digests[policy]: rule for policy, rule in read.items()})
            while len(_known) > MOST_KNOWN:
                _known.popitem(last=False)
    return rules


def _reasons(chunk_ids: Sequence[int]) -> tuple[Withheld, ...]:
    """Name for the auditor why each chunk was kept back. Reads no text."""
    if not chunk_ids:
        return ()
    known = {
        row[0]: row[1:]
        for row in Chunk.objects.filter(pk__in=chunk_ids).values_list(
            "id", "version__document_id", "version_id", "version__document__current_version_id",
            "version__document__removed_at", "version__document__source__removed_at",
        )
    }  # fmt: skip
    withheld = []
    for chunk in chunk_ids:
        if chunk not in known:
            withheld.append(Withheld(chunk, None, "unknown"))
            continue
        document, version, current, removed, source_removed = known[chunk]
        if removed is not None or source_removed is not None:
            reason = "removed"
        elif version != current:
            reason = "old_version"
        else:
            reason = "not_permitted"
        withheld.append(Withheld(chunk, document, reason))
    return tuple(withheld)
