"""Asks a suite's questions as their readers, and notes what came back, how fast, and anything that should not have."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Literal

from accounts.viewer import Viewer
from assistant.evaluation.storing import EVERYBODY, Say, readable_in, viewers_of
from assistant.llm.choosing import planner_for, reranker_for
from assistant.suites import Suite, SuiteQuery, is_unanswerable
from ingestion.models import Document
from retrieval.options import Options
from retrieval.orchestrator import retrieve
from retrieval.search import forget_vectors
from retrieval.types import Plan, Ranked, Step, Withheld

WARM_UP = 5  # questions asked before timing begins

History = Literal["on", "off", "standalone"]
HISTORIES: tuple[History, ...] = ("on", "off", "standalone")


@dataclass(frozen=True)
class Asked:
    """One question as one reader: the documents in order, what leaked at which stage, and how long each stage took.

    `quotes`, `stated` and `refused` are extraction's, where it was asked for.
    """

    query: SuiteQuery
    reader: str
    ranking: tuple[str, ...]
    leaks: Mapping[str, int]
    milliseconds: float
    stages: Mapping[str, float]
    quotes: tuple[str, ...] = ()
    stated: float = 0.0
    refused: bool = False
    clarified: bool = False


@dataclass(frozen=True)
class Asking:
    """How the questions are asked: retrieval's options, what of the history is given, and whether answers are made."""

    options: Options = field(default_factory=Options)
    history: History = "on"
    extracts: bool = True


def questions_of(suite: Suite, history: History) -> tuple[SuiteQuery, ...]:
    """Return the questions as they will be asked.

    `on` leaves them as they are, `off` takes the earlier turns away, `standalone` asks the human rewrite in place of
    the last turn and leaves out what has none.
    """
    if history == "off":
        return tuple(replace(query, history=()) for query in suite.queries)
    if history == "standalone":
        return tuple(
            replace(query, text=query.standalone, history=()) for query in suite.queries if query.standalone
        )
    return suite.queries


def ask_all(suite: Suite, asking: Asking, say: Say) -> list[Asked]:
    """Ask every question as each of its readers and return what came back."""
    ids = dict(Document.objects.values_list("pk", "external_id"))
    viewers = viewers_of(suite)
    readable = {
        reader: {pk for pk, name in ids.items() if name in names}
        for reader, names in readable_in(suite).items()
    }
    queries = questions_of(suite, asking.history)
    for query in queries[:WARM_UP]:
        list(_steps(query, viewers[EVERYBODY], asking.options))
    # Otherwise only the first variant of several would pay for embedding the questions.
    forget_vectors()
    asked = []
    for number, query in enumerate(queries, start=1):
        for reader in query.readers or (EVERYBODY,):
            asked.append(_ask(query, reader, viewers[reader], readable.get(reader, set()), ids, asking))
        if number % 500 == 0:
            say(f"{number} of {len(queries)} questions asked")
    return asked


def _ask(
    query: SuiteQuery, reader: str, viewer: Viewer, readable: set[int], ids: Mapping[int, str], asking: Asking
) -> Asked:
    begun = time.perf_counter()
    steps = list(_steps(query, viewer, asking.options))
    milliseconds = (time.perf_counter() - begun) * 1000
    values = {step.name: step.value for step in steps}
    ranked: tuple[Ranked, ...] = values.get("rerank", ())  # a question that is asked back searches nothing
    asked = Asked(
        query,
        reader,
        ranking=tuple(dict.fromkeys(ids[item.passage.document] for item in ranked)),
        leaks=leaks_of(steps, readable),
        milliseconds=milliseconds,
        stages=_milliseconds(steps),
    )
    *_, plan = filter(None, (step.plan_after for step in steps))
    return _extracted(asked, plan, ranked, viewer, asking.options) if asking.extracts else asked


def _steps(query: SuiteQuery, viewer: Viewer, options: Options) -> Iterator[Step]:
    """Yield the stages of retrieval as the chat runs them, with the models that the options ask for."""
    return retrieve(
        query.text, query.history, viewer,
        options=options, planner=planner_for(options), reranker=reranker_for(options),
    )  # fmt: skip


def _milliseconds(steps: Iterable[Step]) -> dict[str, float]:
    """Return how long each stage took, all of its times together."""
    spent: dict[str, float] = {}
    for step in steps:
        spent[step.name] = spent.get(step.name, 0.0) + step.milliseconds
    return spent


def leaks_of(steps: Iterable[Step], readable: set[int]) -> dict[str, int]:
    """Return per stage how many documents it let out that the reader may not read; stages that let out none are absent.

    A leak counts wherever it shows: in what the index proposed, what the gate passed, what a bridge led to, what was
    ranked. Each stage is walked as a whole, so that one that comes to hand out more is watched as well.
    """
    found: Counter[str] = Counter()
    for step in steps:
        found[step.name] += len(set(documents_in(step.value)) - readable)
    return {name: number for name, number in found.items() if number}


def documents_in(value: object) -> Iterator[int]:
    """Yield the documents that a stage's value speaks of. What the gate kept back is not handed out: it is left out."""
    if isinstance(value, Withheld):
        return
    document = getattr(value, "document", None)
    if isinstance(document, int):
        yield document
    if isinstance(value, Mapping):
        yield from documents_in(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for part in value:
            yield from documents_in(part)
    elif is_dataclass(value):
        for each in fields(value):
            part = getattr(value, each.name)
            if is_dataclass(part) or isinstance(part, tuple | list | set | frozenset | Mapping):
                yield from documents_in(part)


def _extracted(asked: Asked, plan: Plan, ranked: Sequence[Ranked], viewer: Viewer, options: Options) -> Asked:
    from assistant.answering.extractive import extract
    from assistant.context import build_context
    from retrieval.synonyms import synonyms_for

    if plan.clarification:
        return replace(asked, clarified=True)
    draft = extract(plan, build_context(ranked, viewer, synonyms_for(options)))
    return replace(
        asked,
        quotes=tuple(quote.text for claim in draft.claims for quote in claim.quotes),
        refused=draft.outcome == "refused",
        stated=draft.stated,
    )


def wants_extraction(suite: Suite) -> bool:
    """Return whether a suite says what to answer, or what not to."""
    return any(query.answers or is_unanswerable(query) for query in suite.queries)
