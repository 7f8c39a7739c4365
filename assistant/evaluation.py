"""Measuring retrieval and extraction on a suite, through the code the chat runs.

Runs in a process whose data folder was made for it (see the `evaluate` command): the corpus becomes documents with
access rules, chunks, embeddings and index entries like any other, and each question is asked as one of its readers.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.canonical import digest_of_bytes
from accounts.models import Group, Membership, User
from accounts.viewer import EVERYONE, Viewer, group_principal, viewer_of
from assistant.suites import Suite, SuiteQuery
from ingestion.access import NOBODY, Rule, intern_policy
from ingestion.chunking import chunk_text
from ingestion.models import Chunk, Document, Source
from ingestion.reading import Read
from ingestion.settling import create_version
from ingestion.storage import Stored
from ingestion.titles import title_key
from ingestion.types import Parsed
from retrieval.metrics import area_under_curve, ndcg, percentile, recall
from retrieval.orchestrator import retrieve
from retrieval.types import Plan, Ranked

# Names in an `acl` or in `readers` that mean everybody rather than a group.
PUBLIC = {"everyone", "all", "*"}
WARM_UP = 5  # questions asked before timing begins

Say = Callable[[str], None]


@dataclass
class Asked:
    """One question as one reader: the documents in order, leaks, and how long retrieval took."""

    query: SuiteQuery
    ranking: list[str]
    leaks: int
    milliseconds: float
    quotes: list[str] = field(default_factory=list)
    stated: float = 0.0
    refused: bool = False


def evaluate(suite: Suite, say: Say) -> dict[str, Any]:  # Any: the JSON that the command prints
    """Return the figures of a suite; says how far it is. Needs a data folder without documents."""
    started = time.perf_counter()
    readable = ingest(suite, say)
    chunks = Chunk.objects.count()
    per_second = chunks / (time.perf_counter() - started)
    say(f"{chunks} chunks of {len(suite.documents)} documents, {per_second:.1f} chunks/s")
    asked = list(ask_all(suite, readable, say))
    return figures(suite, asked, chunks, per_second)


def ingest(suite: Suite, say: Say) -> dict[str, set[str]]:
    """Store and index the corpus; return for each reader the ids of the documents they may read."""
    from ingestion.outbox import deliver

    source = Source.objects.create(
        name=suite.name, kind=Source.Kind.UPLOAD, policy=intern_policy(Rule.of({EVERYONE}))
    )
    names = {name for d in suite.documents for name in d.acl or () if name not in PUBLIC}
    readers = {reader for query in suite.queries for reader in query.readers}
    groups = {name: Group.objects.create(name=name) for name in sorted(names | readers)}
    everybody = User.objects.create(email="everybody@suite.example", name="Everybody")
    Membership.objects.bulk_create(Membership(group=group, user=everybody) for group in groups.values())
    for name in sorted(readers):
        user = User.objects.create(email=f"{name}@suite.example", name=name)
        if name in groups:
            Membership.objects.create(group=groups[name], user=user)
    readable: dict[str, set[str]] = defaultdict(set)
    for document in suite.documents:
        open_to_all = document.acl is None or bool(PUBLIC & set(document.acl))
        rule = Rule.of({EVERYONE}) if open_to_all else NOBODY
        if not open_to_all and document.acl:
            rule = Rule.of({group_principal(groups[name].pk) for name in document.acl})
        row = Document.objects.create(
            source=source,
            external_id=document.id,
            title=document.title[:300],
            title_key=title_key(document.title),
            policy=intern_policy(rule),
        )
        _write_version(row, document.text)
        for reader in {"", *readers}:
            if open_to_all or (document.acl and (reader == "" or reader in document.acl)):
                readable[reader].add(document.id)
    say(f"{len(suite.documents)} documents stored; embedding and indexing …")
    deliver()
    return readable


def _write_version(document: Document, text: str) -> None:
    digest = digest_of_bytes(text.encode())
    parsed = Parsed(
        text=text, sections=(), title=document.title, author="", dated=None, is_superseded=False,
        media_type="text/plain", page_count=None, parser="suite", warnings=(),
    )  # fmt: skip
    stored = Stored(name="", digest=digest, size=len(text.encode()))
    create_version(document, Read(digest, None, stored, parsed, tuple(chunk_text(text))))


def ask_all(suite: Suite, readable: dict[str, set[str]], say: Say) -> Iterable[Asked]:
    """Yield every question, asked as each of its readers."""
    ids = dict(Document.objects.values_list("pk", "external_id"))
    viewers: dict[str, Viewer] = {}
    for reader in {"", *(r for q in suite.queries for r in q.readers)}:
        viewers[reader] = viewer_of(User.objects.get(email=f"{reader or 'everybody'}@suite.example"))
    for query in suite.queries[:WARM_UP]:
        list(retrieve(query.text, query.history, viewers[""]))
    wants_answers = any(query.answers for query in suite.queries)
    for number, query in enumerate(suite.queries, start=1):
        for reader in query.readers or ("",):
            yield _ask(query, viewers[reader], readable[reader], ids, wants_answers)
        if number % 500 == 0:
            say(f"{number} of {len(suite.queries)} questions asked")


def _ask(
    query: SuiteQuery, viewer: Viewer, readable: set[str], ids: dict[int, str], wants_answers: bool
) -> Asked:
    begun = time.perf_counter()
    values = {step.name: step.value for step in retrieve(query.text, query.history, viewer)}
    milliseconds = (time.perf_counter() - begun) * 1000
    ranked: tuple[Ranked, ...] = values["rerank"]
    ranking = list(dict.fromkeys(ids[item.passage.document] for item in ranked))
    # Whatever any stage lets out counts, not only what reaches the first ten.
    leaks = sum(1 for document in ranking if document not in readable)
    asked = Asked(query, ranking, leaks, milliseconds)
    if wants_answers:
        _extract(asked, values["plan"], ranked)
    return asked


def _extract(asked: Asked, plan: Plan, ranked: Sequence[Ranked]) -> None:
    from assistant.answering.extractive import extract
    from assistant.context import build_context

    draft = extract(plan, build_context(ranked))
    asked.quotes = [quote.text for claim in draft.claims for quote in claim.quotes]
    asked.refused = draft.outcome == "refused"
    asked.stated = draft.stated


def _holds(gold: tuple[str, ...], quotes: Sequence[str]) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"\s+", " ", text).casefold()

    return any(plain(answer) in plain(quote) for answer in gold for quote in quotes)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def figures(
    suite: Suite, asked: Sequence[Asked], chunks: int, per_second: float
) -> dict[str, Any]:  # Any: as above
    """Return the figures: retrieval over the questions with a relevant document their reader may find."""
    judged = [
        (a, suite.grades[a.query.id])
        for a in asked
        if any(g > 0 for g in suite.grades.get(a.query.id, {}).values())
    ]
    result: dict[str, Any] = {
        "suite": suite.name,
        "queries": len(suite.queries),
        "ndcg@10": _mean([ndcg(a.ranking, grades) for a, grades in judged]),
        **{f"recall@{k}": _mean([recall(a.ranking, grades, k) for a, grades in judged]) for k in (2, 5, 10)},
        "chunks": chunks,
        "chunks_per_second": round(per_second, 1),
        "latency_ms": {
            f"p{int(share * 100)}": round(percentile([a.milliseconds for a in asked], share), 1)
            for share in (0.5, 0.95)
        },
        "leaks": sum(a.leaks for a in asked),
    }
    answerable = [a for a in asked if a.query.answers]
    if answerable:
        result["answer@1"] = _mean([float(_holds(a.query.answers, a.quotes[:1])) for a in answerable])
        result["answer@3"] = _mean([float(_holds(a.query.answers, a.quotes[:3])) for a in answerable])
    unanswerable = [a for a in asked if a.query.type == "unanswerable"]
    if answerable and unanswerable:
        refused = [a for a in asked if a.refused]
        right = [a for a in refused if a.query.type == "unanswerable"]
        result["refusal"] = {
            "precision": round(len(right) / len(refused), 4) if refused else 0.0,
            "recall": round(len(right) / len(unanswerable), 4),
            "auc": round(
                area_under_curve([a.stated for a in answerable], [a.stated for a in unanswerable]), 4
            ),
        }
    return result
