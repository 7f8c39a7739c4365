"""What the record keeps of each stage of retrieval: ids, scores, counts and reasons, never a document's words."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from retrieval.bridge import Bridged
from retrieval.search import SearchResults
from retrieval.sufficiency import Sufficiency
from retrieval.synonyms import OtherWords
from retrieval.types import Candidate, Filters, Gated, Plan, Ranked

Record = dict[str, Any]  # Any: JSON values


def record_of_plan(plan: Plan) -> Record:
    """Return what the trace keeps of a plan."""
    return {
        "rule": plan.rule,
        "model": plan.model,
        "standalone": plan.standalone,
        "wants_superseded": plan.wants_superseded,
        "filters": record_of_filters(plan.filters),
        "filters_not_used": list(plan.filters_not_used),
        "clarification": plan.clarification,
        "sub_queries": [
            {"number": s.number, "text": s.text, "after": list(s.after)} for s in plan.sub_queries
        ],
    }


def record_of_filters(filters: Filters) -> Record:
    """Return filters as JSON: what narrows and nothing else, {} for none."""
    return {
        name: value.isoformat() if isinstance(value, date) else list(value)
        for name, value in vars(filters).items()
        if value
    }


def record_of_search(results: SearchResults) -> Record:
    """Return what the trace keeps of a search: per sub-query each candidate's ids and scores."""
    return {
        "reach": {"policies": len(results.reach.policies), "sources": len(results.reach.sources)},
        "sub_queries": [
            {"number": found.sub_query.number, "candidates": _candidates(found.candidates)}
            for found in results.found
        ],
        "named": {
            "documents": [{"document": called.document} for called in results.named],
            "candidates": _candidates(results.in_named),
        },
    }


def record_of_spelling(words: Mapping[str, str]) -> Record:
    """Return what the trace keeps of misspelled words: those the asker wrote. What they were read as is a document's."""
    return {"words": sorted(words)}


def record_of_synonyms(others: OtherWords) -> Record:
    """Return what the trace keeps of words that nothing found holds: those the asker wrote, and whether they were read otherwise.

    What they were read as is a document's. Where other words for them were searched for, also what that brought.
    """
    return {
        "words": list(others.lacking),
        "read_otherwise": others.read_otherwise,
        "candidates": _candidates(others.candidates),
        **record_of_gate(others.gated),
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
    """Return what the trace keeps of the bridges: documents by id, what named or linked them, and what second searches found."""
    return {
        "bridges": [
            {
                "document": b.document,
                "named_in": f"passage {b.source + 1}",
                "is_link": b.is_link,
                "chunk": b.chunk,
                "strength": _rounded(b.strength),
            }
            for b in bridged.bridges
        ],
        "second_searches": [
            {
                "sub_query": search.sub_query,
                "asked_from": f"passage {search.source + 1}",
                "candidates": _candidates(search.candidates),
            }
            for search in bridged.second
        ],
        **record_of_gate(gated),
    }


def record_of_sufficiency(sufficiency: Sufficiency, gated: Gated) -> Record:
    """Return what the trace keeps of the check: what was missing, in the asker's words, and what was decided."""
    return {
        "decision": sufficiency.decision,
        "missing": list(sufficiency.missing),
        "candidates": _candidates(sufficiency.candidates),
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


def _candidates(candidates: Sequence[Candidate]) -> list[Record]:
    return [
        {
            "chunk": c.chunk,
            "document": c.document,
            "dense": _rounded(c.dense),
            "keyword": _rounded(c.keyword),
            "fused": _rounded(c.fused),
        }
        for c in candidates
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
