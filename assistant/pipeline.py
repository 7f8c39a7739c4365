"""How a question flows: ten stages on one screen. A plain generator; it knows nothing of HTTP, of rows, or of who listens.

Stages 2 to 6 are `retrieval.orchestrator`'s. Stage 10, the record, is made by whoever drains the steps.
"""

from collections.abc import Iterator, Sequence

from accounts.viewer import Viewer
from assistant.answering.extractive import extract
from assistant.citations import verify
from assistant.context import build_context
from assistant.llm.choosing import planner_for, reranker_for
from assistant.records import (
    record_of_clarification,
    record_of_context,
    record_of_draft,
    record_of_screening,
    record_of_verification,
)
from assistant.screening import screen
from assistant.types import VerifiedAnswer
from retrieval.options import Options
from retrieval.orchestrator import NO_FILTERS, Clock, retrieve
from retrieval.synonyms import synonyms_for
from retrieval.types import Filters, Plan, Ranked, Step, Turn


def answer(
    question: str,
    turns: Sequence[Turn],
    viewer: Viewer,
    *,
    options: Options | None = None,
    filters: Filters = NO_FILTERS,
) -> Iterator[Step]:
    """Yield a Step after each stage; the last one, `verify` or `clarify`, has the VerifiedAnswer as its value.

    `turns` hold only what the viewer may read now; `options` are the configured ones unless given; `filters` are what
    the asker picked. What raises in a stage passes through to the caller, who records it.
    """
    options = options or Options.configured()
    clock = Clock()
    screened = screen(question)
    yield clock.step("screen", screened, record_of_screening(screened))

    plan: Plan | None = None
    ranked: tuple[Ranked, ...] = ()
    for step in retrieve(
        screened.text,
        turns,
        viewer,
        options=options,
        filters=filters,
        planner=planner_for(options),
        reranker=reranker_for(options),
    ):
        plan = step.plan_after or plan
        ranked = step.value if step.name == "rerank" else ranked
        yield step
    if plan is None:
        raise RuntimeError("Retrieval ended without a plan.")
    if plan.clarification:
        asked_back = clarified(plan)
        yield clock.step("clarify", asked_back, record_of_clarification(asked_back))
        return

    clock = Clock()
    context = build_context(ranked, viewer, synonyms_for(options))
    yield clock.step("context", context, record_of_context(context))

    draft = extract(plan, context)
    yield clock.step("answer", draft, record_of_draft(draft))

    verified = verify(draft, context)
    yield clock.step("verify", verified, record_of_verification(verified))


def clarified(plan: Plan) -> VerifiedAnswer:
    """Return the answer that is a question back. It claims nothing, so there is nothing to verify."""
    method = "model" if plan.model else "extractive"
    return VerifiedAnswer("clarify", (), (), None, method, clarification=plan.clarification)
