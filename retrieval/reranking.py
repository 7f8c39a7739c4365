"""A second opinion on the first passages of the ranking: a cross-encoder, or a model as judge, behind one protocol.

Only permitted text gets here. The opinion is asked on the first POOL passages; what a retriever or the ranking itself
put first keeps a place among the first FLOOR whatever the opinion says, because gains of such models turn around on
texts unlike those they learned from. An opinion that cannot be had changes nothing.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from retrieval.types import Ranked

log = logging.getLogger(__name__)

POOL = 30
FLOOR = 5
OPINION = 0.7
"""Weight of the opinion against the ranking's own score, both in [0, 1]. An interpolation rather than the opinion alone:
grades come in few steps and cross-encoders saturate near 0 and 1, and within a step the features know better."""


class Reranker(Protocol):
    """Scores passages for a question. Raises RerankingFailed with a sentence when it cannot."""

    name: str

    def scores(self, question: str, ranked: Sequence[Ranked]) -> Sequence[float]:
        """Return one score per passage, in the order given; higher answers the question better.

        Any range: where one lies outside [0, 1], all are taken for logits.
        """
        ...


class RerankingFailed(RuntimeError):
    """The reranker could not be asked. The ranking before it stands, and the record says so.

    The message is a sentence without a word of a passage or of a model's reply: it is kept in the record.
    """


def with_second_opinion(
    question: str, ranked: Sequence[Ranked], reranker: Reranker
) -> tuple[tuple[Ranked, ...], dict[str, str]]:
    """Return the ranking in its new order, and what the record keeps: who was asked, and why it failed where it did."""
    kept = {"reranker": reranker.name}
    try:
        return reorder(question, ranked, reranker), kept
    except RerankingFailed as error:
        log.warning("%s was not heard on a ranking: %s", reranker.name, error)
        return tuple(ranked), {**kept, "failed": str(error)}


def reorder(question: str, ranked: Sequence[Ranked], reranker: Reranker) -> tuple[Ranked, ...]:
    """Return the same passages with the first POOL of them in the order that opinion and ranking give together.

    Each of those gains the feature `reranked` in [0, 1]. The scores are the ranking's own, handed out anew from the top,
    so that they fall with the order and mean after this stage what they meant before it.
    Raises RerankingFailed when the reranker does, or gives anything but one finite number per passage.
    """
    pool, rest = tuple(ranked[:POOL]), tuple(ranked[POOL:])
    if not pool:
        return ()
    opinions = _shares(reranker.scores(question, pool), len(pool))
    own = _spread([item.score for item in pool])
    blended = [
        OPINION * opinion + (1 - OPINION) * before for opinion, before in zip(opinions, own, strict=True)
    ]
    # Ties keep the order of the ranking: sorting is stable.
    order = sorted(range(len(pool)), key=lambda place: -blended[place])
    order = _with_floor(order, _firsts(pool))
    reordered = tuple(
        replace(
            pool[place],
            score=pool[position].score,
            features={**pool[place].features, "reranked": opinions[place]},
        )
        for position, place in enumerate(order)
    )
    return reordered + rest


def _shares(scores: Sequence[float], expected: int) -> list[float]:
    """Return the scores in [0, 1], through the logistic function where one lies outside."""
    values = [float(score) for score in scores]
    if len(values) != expected:
        raise RerankingFailed(f"It gave {len(values)} scores for {expected} passages.")
    if not all(math.isfinite(value) for value in values):
        raise RerankingFailed("It gave a score that is no number.")
    if all(0.0 <= value <= 1.0 for value in values):
        return values
    return [_logistic(value) for value in values]


def _logistic(value: float) -> float:
    # In two halves, so that exp never gets a large positive number.
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    power = math.exp(value)
    return power / (1.0 + power)


def _spread(scores: Sequence[float]) -> list[float]:
    """Return the scores spread over [0, 1]; all 1 when they are equal."""
    low, width = min(scores), max(scores) - min(scores)
    return [(score - low) / width if width > 0 else 1.0 for score in scores]


def _firsts(pool: Sequence[Ranked]) -> set[int]:
    """Return the places of what the ranking, the dense and the keyword retriever each put first."""
    firsts = {0}
    for scored in (
        {p: r.candidate.dense for p, r in enumerate(pool) if r.candidate and r.candidate.dense is not None},
        {p: r.candidate.keyword for p, r in enumerate(pool) if r.candidate and r.candidate.keyword},
    ):
        if scored:
            firsts.add(max(scored, key=lambda place: (scored[place], -place)))
    return firsts


def _with_floor(order: Sequence[int], kept: set[int]) -> list[int]:
    """Return the order with every kept place among its first FLOOR, and nothing else moved further than needed."""
    others = [place for place in order if place not in kept]
    above = {*kept, *others[: max(0, FLOOR - len(kept))]}
    return [p for p in order if p in above] + [p for p in order if p not in above]
