"""Stages 2 to 6 of answering: plan, search, gate, bridge, rerank. A plain generator, read from top to bottom."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accounts.viewer import Viewer
from retrieval.bridge import Bridged, find_bridges
from retrieval.gate import pass_gate
from retrieval.options import Options
from retrieval.planning import Planner, RulePlanner
from retrieval.rank import WEIGHTS, rank
from retrieval.reranking import Reranker, with_second_opinion
from retrieval.search import SearchResults, search
from retrieval.types import Filters, Gated, Plan, Ranked, Step, SubQuery, Turn

NO_FILTERS = Filters()


def retrieve(
    question: str,
    turns: Sequence[Turn],
    viewer: Viewer,
    *,
    options: Options | None = None,
    filters: Filters = NO_FILTERS,
    planner: Planner | None = None,
    reranker: Reranker | None = None,
) -> Iterator[Step]:
    """Yield a Step after each stage: plan, search, gate, bridge, rerank. The last one's value is the ranked passages.

    `options` are the configured ones unless given. `filters` are what the asker picked beside the question. `planner`
    and `reranker` are the model-backed ones where the options ask for them; without one the rules do its work.
    What raises in a stage (an index that cannot be asked, a database that is gone) passes through to the caller, who
    records it: no answer without evidence.
    """
    clock = Clock()
    options = options or Options.configured()
    plan = _plan(question, turns, options, planner)
    yield clock.step("plan", plan, record_of_plan(plan))

    results = search(plan, viewer, options.fusion)
    yield clock.step("search", results, record_of_search(results))

    gated = pass_gate([candidate.chunk for candidate in results.candidates()], viewer)
    yield clock.step("gate", gated, record_of_gate(gated))

    bridged = find_bridges(plan, gated.passages, viewer, results.reach) if options.bridge else Bridged((), ())
    gated_bridges = pass_gate([candidate.chunk for candidate in bridged.candidates], viewer)
    yield clock.step("bridge", bridged, record_of_bridge(bridged, gated_bridges))

    weights = WEIGHTS if options.reranking != "off" else {"fused": 1.0, "bridge": WEIGHTS["bridge"]}
    ranked = rank(plan, results, bridged, gated.passages, gated_bridges.passages, weights)
    opinion: Record = {}
    if reranker is not None and options.reranking in ("cross-encoder", "judge"):
        ranked, opinion = with_second_opinion(plan.standalone, ranked, reranker)
    yield clock.step("rerank", ranked, {**record_of_ranking(ranked), **opinion})


def _plan(question: str, turns: Sequence[Turn], options: Options, planner: Planner | None) -> Plan:
    if options.planning == "off":
        return Plan(question, question, (SubQuery(1, question),), "as typed")
    return (planner or RulePlanner()).plan(question, turns)


class Clock:
    """Times the stages: each step carries the milliseconds since the one before."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def step(self, name: str, value: Any, record: Mapping[str, Any]) -> Step:  # Any: as in Step
        """Return the Step for the stage that just ended."""
        now = time.perf_counter()
        milliseconds, self.last = (now - self.last) * 1000, now
        return Step(name, value, record, round(milliseconds, 2))


Record = dict[str, Any]  # Any: JSON values


def record_of_plan(plan: Plan) -> Record:
    """Return what the trace keeps of a plan."""
    return {
        "rule": plan.rule,
        "model": plan.model,
        "standalone": plan.standalone,
        "wants_superseded": plan.wants_superseded,
        "sub_queries": [
            {"number": s.number, "text": s.text, "after": list(s.after)} for s in plan.sub_queries
        ],
    }


def record_of_search(results: SearchResults) -> Record:
    """Return what the trace keeps of a search: per sub-query each candidate's ids and scores."""
    return {
        "reach": {"policies": len(results.reach.policies), "sources": len(results.reach.sources)},
        "sub_queries": [
            {
                "number": found.sub_query.number,
                "candidates": [
                    {
                        "chunk": c.chunk,
                        "document": c.document,
                        "dense": _rounded(c.dense),
                        "keyword": _rounded(c.keyword),
                        "fused": _rounded(c.fused),
                    }
                    for c in found.candidates
                ],
            }
            for found in results.found
        ],
    }


def record_of_gate(gated: Gated) -> Record:
    """Return what the trace keeps of the gate: who passed with which digest, who was withheld and why."""
    return {
        "passed": [
            {
                "chunk": p.chunk,
                "digest": p.chunk_digest,
                "policy": p.grant.policy,
                "source_policy": p.grant.source_policy,
                "through": [list(clause) for clause in p.grant.through],
            }
            for p in gated.passages
        ],
        "withheld": [{"chunk": w.chunk, "document": w.document, "reason": w.reason} for w in gated.withheld],
    }


def record_of_bridge(bridged: Bridged, gated: Gated) -> Record:
    """Return what the trace keeps of the bridges: documents by id and what named them."""
    return {
        "bridges": [
            {"document": b.document, "named_in": "question" if b.source < 0 else f"passage {b.source + 1}"}
            for b in bridged.bridges
        ],
        **record_of_gate(gated),
    }


def record_of_ranking(ranked: Sequence[Ranked]) -> Record:
    """Return what the trace keeps of the ranking: each passage's score and what it is made of."""
    return {
        "ranked": [
            {
                "chunk": r.passage.chunk,
                "document": r.passage.document,
                "score": _rounded(r.score),
                "features": {name: _rounded(value) for name, value in r.features.items()},
                "sub_queries": list(r.sub_queries),
                "bridged": bool(r.via),
            }
            for r in ranked
        ]
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
