"""Stages 2 to 6 of answering: plan, search, gate, bridge, rerank. A plain generator, read from top to bottom."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.timezone import localdate

from accounts.viewer import Viewer
from retrieval.bridge import find_bridges
from retrieval.clarifying import clarification_for, is_own_question
from retrieval.courtesy import without_courtesy
from retrieval.filtering import (
    FilterReading,
    completed,
    documents_matching,
    merged,
    read_filters,
    without_operators,
)
from retrieval.gate import pass_gate
from retrieval.options import Options
from retrieval.planning import Planner, RulePlanner
from retrieval.rank import INDEX_ONLY, WEIGHTS, Nearness, Scorer, final_ranking, first_ranking, with_more
from retrieval.records import (
    Record,
    record_of_bridge,
    record_of_gate,
    record_of_plan,
    record_of_ranking,
    record_of_search,
    record_of_spelling,
    record_of_sufficiency,
    record_of_synonyms,
)
from retrieval.reranking import Reranker, with_second_opinion
from retrieval.search import SearchResults, search
from retrieval.spelling import respelled, respelled_plan
from retrieval.sufficiency import Sufficiency, check
from retrieval.synonyms import other_words, synonyms_for
from retrieval.types import Filters, Gated, Plan, Step, SubQuery, Turn

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
    """Yield a Step after each stage: plan, search, gate, bridge, sufficiency, rerank. The last one's value is the ranked passages.

    A plan that asks back is the only step: nothing is searched. Where words were misspelled there is a step `spelling`
    after the gate, where nothing found holds a word that has others for the same a step `synonyms`: each leaves the plan
    (`plan_after`) in the words it was read in, and where that is another search and gate come a second time.

    `options` are the configured ones unless given. `filters` are what the asker picked beside the question. `planner`
    and `reranker` are the model-backed ones where the options ask for them; without one the rules do its work.
    What raises in a stage (an index that cannot be asked, a database that is gone) passes through to the caller, who
    records it: no answer without evidence.
    """
    clock = Clock()
    options = options or Options.configured()
    plan = _plan(question, turns, viewer, options, filters, planner)
    yield clock.step("plan", plan, record_of_plan(plan))
    if plan.clarification:
        return

    # Every further search for this question runs under the same narrowing.
    narrowed = documents_matching(plan.filters, viewer)
    results, gated = yield from _found(plan, viewer, options, narrowed, clock)
    scorer = _scorer(plan, results, gated, options)
    words = respelled(plan.standalone, gated.passages, scorer.rarity) if options.spelling else {}
    if words:
        plan = respelled_plan(plan, words)
        yield clock.step("spelling", plan, record_of_spelling(words))
    others = other_words(plan, gated.passages, results, viewer, synonyms_for(options))
    if others.lacking:
        plan = others.plan
        yield clock.step("synonyms", others, record_of_synonyms(others))
    if words or others.read_otherwise:
        results, gated = yield from _found(plan, viewer, options, narrowed, clock)
        scorer = _scorer(plan, results, gated, options)

    first = first_ranking(results, gated.passages, scorer)
    bridged = find_bridges(plan, first, results, titles=options.bridge, second_search=options.second_search)
    led_to = pass_gate([candidate.chunk for candidate in bridged.candidates], viewer)
    ranked = final_ranking(first, bridged, led_to.passages, scorer)
    yield clock.step("bridge", bridged, record_of_bridge(bridged, led_to))

    sufficiency = check(plan, ranked, results, scorer) if options.sufficiency else Sufficiency()
    added = pass_gate([candidate.chunk for candidate in sufficiency.candidates], viewer)
    ranked = with_more(ranked, sufficiency.candidates, added.passages, scorer)
    yield clock.step("sufficiency", sufficiency, record_of_sufficiency(sufficiency, added))

    opinion: Record = {}
    if reranker is not None and options.reranking in ("cross-encoder", "judge"):
        ranked, opinion = with_second_opinion(plan.standalone, ranked, reranker)
    yield clock.step("rerank", ranked, {**record_of_ranking(ranked), **opinion})


def _found(
    plan: Plan, viewer: Viewer, options: Options, narrowed: frozenset[int] | None, clock: "Clock"
) -> Generator[Step, None, tuple[SearchResults, Gated]]:
    """Search for a plan and pass the gate, a Step for each; return what both brought."""
    results = search(plan, viewer, options.fusion, names=options.bridge, documents=narrowed)
    yield clock.step("search", results, record_of_search(results))
    gated = pass_gate([candidate.chunk for candidate in results.candidates()], viewer)
    yield clock.step("gate", gated, record_of_gate(gated))
    return results, gated


def _scorer(plan: Plan, results: SearchResults, gated: Gated, options: Options) -> Scorer:
    weights = INDEX_ONLY if options.reranking == "off" else WEIGHTS
    nearness = Nearness(results.asked.vector, results.best.dense) if options.sentences else None
    return Scorer.of(plan, gated.passages, weights, localdate(), nearness)


def _plan(
    question: str,
    turns: Sequence[Turn],
    viewer: Viewer,
    options: Options,
    picked: Filters,
    planner: Planner | None,
) -> Plan:
    if options.planning == "off":
        return Plan(question, question, (SubQuery(1, question),), "as typed", filters=picked)
    read = read_filters(question, viewer)
    bare = without_courtesy(read.question)
    asked_back = bool(turns and turns[-1].clarification)
    # Earlier turns' operators narrowed those searches; what they asked about is the rest.
    before = [replace(turn, question=without_courtesy(without_operators(turn.question))) for turn in turns]
    clarification = clarification_for(bare, before)
    if clarification:
        plan = Plan(bare, bare, (SubQuery(1, bare),), "asked back", clarification=clarification)
    else:
        plan = (planner or RulePlanner()).plan(bare, before)
        if asked_back and not is_own_question(bare):
            # It completes the question before it, and is looked for where that one was.
            read = completed(read, read_filters(turns[-1].question, viewer))
    if bare != read.question:
        plan = replace(plan, rule=f"{plan.rule}; words of courtesy left out")
    return _narrowed(replace(plan, question=question), merged(picked, read), asked_back=asked_back)


def _narrowed(plan: Plan, read: FilterReading, *, asked_back: bool) -> Plan:
    """Return a plan with the filters that hold for it. After one question back none is asked again."""
    return replace(
        plan,
        filters=read.filters,
        filters_not_used=read.not_used,
        clarification="" if asked_back else plan.clarification,
    )


class Clock:
    """Times the stages: each step carries the milliseconds since the one before."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def step(self, name: str, value: Any, record: Mapping[str, Any]) -> Step:  # Any: as in Step
        """Return the Step for the stage that just ended."""
        now = time.perf_counter()
        milliseconds, self.last = (now - self.last) * 1000, now
        return Step(name, value, record, round(milliseconds, 2))
