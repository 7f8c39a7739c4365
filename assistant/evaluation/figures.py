"""What the questions of a suite add up to, as the JSON that the command prints."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.evaluation.asking import Asked, Asking
from assistant.evaluation.measures import CUTOFFS, Judged, Scores, scores_of
from assistant.evaluation.storing import readable_in
from assistant.suites import Suite, is_unanswerable
from retrieval.metrics import area_under_curve, percentile

Figures = dict[str, Any]  # Any: JSON values


@dataclass(frozen=True)
class Measured:
    """One question that was asked, with its measures; None when nothing relevant is there for its reader to find."""

    asked: Asked
    scores: Scores | None


def measure(suite: Suite, asked: Sequence[Asked]) -> list[Measured]:
    """Hold each ranking against the documents that are relevant and that its reader may read.

    A relevant document that the reader may not read is rightly not found, so it is not missed either.
    """
    readable = readable_in(suite)
    grades = [
        {d: g for d, g in suite.grades.get(a.query.id, {}).items() if d in readable[a.reader]} for a in asked
    ]
    has_relevant = [any(grade > 0 for grade in entry.values()) for entry in grades]
    scores = iter(
        scores_of(
            [Judged(a.ranking, g) for a, g, has in zip(asked, grades, has_relevant, strict=True) if has]
        )
    )
    return [Measured(a, next(scores) if has else None) for a, has in zip(asked, has_relevant, strict=True)]


def figures_of(suite: Suite, asking: Asking, asked: Sequence[Asked]) -> Figures:
    """Return everything that is printed of one way of asking."""
    measured = measure(suite, asked)
    result: Figures = {
        "suite": suite.name,
        "options": str(asking.options),
        "history": {
            "mode": asking.history,
            "with_history": sum(bool(query.history) for query in suite.queries),
            "with_standalone": sum(bool(query.standalone) for query in suite.queries),
        },
        "queries": len({a.query.id for a in asked}),
        "asked": len(asked),
        "judged": sum(m.scores is not None for m in measured),
        **retrieval_of(measured),
        "by_type": grouped(measured, {m.asked.query.id: m.asked.query.type for m in measured}),
        "latency_ms": latency_of(asked),
        "stages_ms": {
            name: round(percentile([a.stages[name] for a in asked if name in a.stages], 0.5), 1)
            for name in dict.fromkeys(name for a in asked for name in a.stages)
        },
        "leaks": leaks_of_all(asked),
        "leaks_by_stage": {
            name: sum(a.leaks.get(name, 0) for a in asked)
            for name in sorted({name for a in asked for name in a.leaks})
        },
    }
    if result["history"]["with_history"]:
        result["by_turn"] = grouped(measured, _turns(suite), {"with a human rewrite": _standalones(suite)})
    if asking.extracts:
        result |= _answers(asked) | _refusals(measured)
    return result


def retrieval_of(measured: Sequence[Measured]) -> Figures:
    """Return the measures of retrieval, as means over the questions that have them."""
    scores = [m.scores for m in measured if m.scores is not None]
    return {
        "ndcg@10": _mean([s.ndcg for s in scores]),
        **{f"recall@{k}": _mean([s.recall[k] for s in scores]) for k in CUTOFFS},
        "all@10": _mean([float(s.has_all) for s in scores]),
    }


def latency_of(asked: Sequence[Asked]) -> dict[str, float]:
    """Return p50 and p95 of the time that retrieving for one question took, in milliseconds."""
    times = [a.milliseconds for a in asked]
    return {f"p{int(share * 100)}": round(percentile(times, share), 1) for share in (0.5, 0.95)}


def leaks_of_all(asked: Sequence[Asked]) -> int:
    """Return how many documents were let out at some stage to somebody who may not read them."""
    return sum(number for a in asked for number in a.leaks.values())


def grouped(
    measured: Sequence[Measured], group_of: Mapping[str, str], further: Mapping[str, set[str]] | None = None
) -> dict[str, Figures]:
    """Return the measures per group of questions; `further` groups name their questions and may overlap the others."""
    members: dict[str, list[Measured]] = {}
    for m in measured:
        members.setdefault(group_of[m.asked.query.id] or "no type", []).append(m)
    for name, ids in (further or {}).items():
        members[name] = [m for m in measured if m.asked.query.id in ids]
    return {
        name: {
            "asked": len(group),
            "judged": sum(m.scores is not None for m in group),
            **retrieval_of(group),
        }
        for name, group in sorted(members.items())
        if group
    }


def _turns(suite: Suite) -> dict[str, str]:
    return {query.id: "follow-up" if query.history else "first turn" for query in suite.queries}


def _standalones(suite: Suite) -> set[str]:
    return {query.id for query in suite.queries if query.standalone}


def _answers(asked: Sequence[Asked]) -> Figures:
    answerable = [a for a in asked if a.query.answers]
    if not answerable:
        return {}
    return {
        f"answer@{k}": _mean([float(_holds(a.query.answers, a.quotes[:k])) for a in answerable])
        for k in (1, 3)
    }


def _refusals(measured: Sequence[Measured]) -> Figures:
    """Return how well refusing tells what the documents do not answer from what they do.

    A question counts as answerable when the suite gives an answer to it or a document that its reader may read.
    """
    unanswerable = [m.asked for m in measured if is_unanswerable(m.asked.query)]
    answerable = [
        m.asked
        for m in measured
        if not is_unanswerable(m.asked.query) and (m.asked.query.answers or m.scores)
    ]
    if not answerable or not unanswerable:
        return {}
    right = sum(a.refused for a in unanswerable)
    refused = right + sum(a.refused for a in answerable)
    area = area_under_curve([a.stated for a in answerable], [a.stated for a in unanswerable])
    return {
        "refusal": {
            "answerable": len(answerable),
            "unanswerable": len(unanswerable),
            "asked_back": sum(a.clarified for a in (*answerable, *unanswerable)),
            "precision": round(right / refused, 4) if refused else 0.0,
            "recall": round(right / len(unanswerable), 4),
            "auc": round(area, 4),
        }
    }


def _holds(gold: tuple[str, ...], quotes: Sequence[str]) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"\s+", " ", text).casefold()

    return any(plain(answer) in plain(quote) for answer in gold for quote in quotes)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
