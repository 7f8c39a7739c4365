"""Rerank: permitted passages in the order in which they answer the question, by a few features that can be explained."""

from collections.abc import Mapping, Sequence

from retrieval.bridge import Bridged
from retrieval.proximity import neighbours_kept, placed_stems, within_one_window
from retrieval.search import SearchResults
from retrieval.types import Candidate, Passage, Plan, Ranked
from retrieval.words import coverage, rarity, stems_of

# Weights of the features; each feature lies in [0, 1]. Flat around these values on every suite (docs/retrieval.md).
WEIGHTS: Mapping[str, float] = {
    "fused": 1.0,  # what the index scored
    "neighbours": 0.1,  # the question's neighbouring words are neighbours here
    "window": 0.1,  # the question's words stand close together here
    "title": 0.05,  # the title and headings speak of the question's words
    "bridge": 0.4,  # the question or a good passage names this document
}
# A stem that no passage in the pool holds is rarer than any that one does.
UNSEEN = 6.0


def rank(
    plan: Plan,
    results: SearchResults,
    bridged: Bridged,
    passages: Sequence[Passage],
    bridge_passages: Sequence[Passage],
    feature_weights: Mapping[str, float] = WEIGHTS,
) -> tuple[Ranked, ...]:
    """Return every permitted passage once, best first."""
    direct = {candidate.chunk: candidate for candidate in results.candidates()}
    over_bridge = {candidate.chunk: candidate for candidate in bridged.candidates}
    placed = {p.chunk: placed_stems(p.text) for p in (*passages, *bridge_passages)}
    above = {p.chunk: stems_of(" ".join((p.title, *p.headings))) for p in (*passages, *bridge_passages)}
    weights = rarity([*above[chunk], *(stem for _, stem in held)] for chunk, held in placed.items())
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
            "neighbours": neighbours_kept(wanted, placed[passage.chunk], weights, UNSEEN),
            "window": within_one_window(wanted, placed[passage.chunk], weights, UNSEEN),
            "title": coverage(wanted, above[passage.chunk], weights, UNSEEN),
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
        score = sum(feature_weights.get(name, 0.0) * value for name, value in features.items())
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
