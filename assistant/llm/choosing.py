"""Which planner and which reranker the options ask for. The rules' own need no choosing: None stands for them.

What is asked for and not configured is chosen all the same: it fails when it is used, and the record then says so.
"""

from retrieval.options import Options
from retrieval.planning import Planner
from retrieval.reranking import Reranker


def planner_for(options: Options) -> Planner | None:
    """Return the planner for these options; None where the rules, or nobody, plan."""
    if options.planning != "model":
        return None
    from assistant.llm.planning import ModelPlanner

    return ModelPlanner()


def reranker_for(options: Options) -> Reranker | None:
    """Return the second opinion for these options; None where the ranking stands by itself."""
    if options.reranking == "judge":
        from assistant.llm.judging import ModelJudge

        return ModelJudge()
    if options.reranking == "cross-encoder":
        from retrieval.cross_encoder import CrossEncoderReranker

        return CrossEncoderReranker()
    return None
