"""Rerank: permitted passages in the order in which they answer the question, by a few features that can be explained."""

from collections.abc import Mapping, Sequence

from retrieval.bridge import Bridged
from retrieval.search import SearchResults
from retrieval.types import Candidate, Passage, Plan, Ranked
from retrieval.words import coverage, rarity, stems_of

# Weights of the features; each feature lies in [0, 1]. Flat around these values on every suite (docs/retrieval.md).
WEIGHTS: Mapping[str, float] = {"fused": 1.0, "coverage": 0.1, "bridge": 0.4}
# A stem that no passage in the pool holds is rarer than any that one does.
UNSEEN = 6.0


def rank(
    plan: Plan,
    results: SearchResults,
    bridged: Bridged,
    passages: Sequence[Passage],
    bridge_passages: Sequence[Passage],
) -> tuple[Ranked, ...]:
    """Return every permitted passage once, best first."""
    direct = {candidate.chunk: candidate for candidate in results.candidates()}
    over_bridge = {candidate.chunk: candidate for candidate in bridged.candidates}
    stems = {
        p.chunk: stems_of(f"{p.title} {' '.join(p.headings)} {p.text}") for p in (*passages, *bridge_passages)
    }
    weights = rarity(stems.values())
    wanted = stems_of(plan.standalone)
    bridges = {bridge.document: bridge for bridge in bridged.bridges}
    best_of_bridge = _best_chunks(bridged.candidates)
    ranked: dict[int, Ranked] = {}
    for passage in (*passages, *bridge_passages):
        if passage.chunk in ranked:
            continue
        candidate = direct.get(passage.chunk)
        features = {
            "fused": candidate.fused if candidate else 0.0,
            "coverage": coverage(wanted, stems[passage.chunk], weights, UNSEEN),
        }
        bridge = bridges.get(passage.document)
        via = ""
        if bridge is not None and best_of_bridge.get(passage.document) == passage.chunk:
            features["bridge"] = 1.0 if bridge.source < 0 else 1.0 - 0.1 * bridge.source
            if not candidate:
                # Named in the question is as good as found by it; named in a passage is a lead to be weighed.
                share = 1.0 if bridge.source < 0 else 0.5
                features["fused"] = share * over_bridge[passage.chunk].fused
            via = f"title “{bridge.title}” in " + (
                "the question" if bridge.source < 0 else f"passage {bridge.source + 1}"
            )
        score = sum(WEIGHTS[name] * value for name, value in features.items())
        ranked[passage.chunk] = Ranked(
            passage, score, results.sub_queries_of(passage.chunk), candidate, features, via
        )
    return tuple(sorted(ranked.values(), key=lambda item: (-item.score, item.passage.chunk)))


def _best_chunks(candidates: Sequence[Candidate]) -> dict[int, int]:
    best: dict[int, Candidate] = {}
    for candidate in candidates:
        if candidate.document not in best or candidate.fused > best[candidate.document].fused:
            best[candidate.document] = candidate
    return {document: candidate.chunk for document, candidate in best.items()}
