"""The figures of a suite as text for people: short tables in Markdown, which also go into the documentation."""

from collections.abc import Mapping
from typing import Any

from assistant.evaluation.figures import Figures
from assistant.evaluation.variants import table_of

RETRIEVAL = ("ndcg@10", "recall@2", "recall@5", "recall@10", "all@10")
HISTORY = {
    "on": "each asked with its history",
    "off": "the last turn asked alone",
    "standalone": "the human rewrite asked in place of the last turn, questions without one left out",
}


def text_of(figures: Figures) -> str:
    """Return everything a suite's figures say, as Markdown."""
    parts = [_heading(figures), _retrieval(figures)]
    if "by_turn" in figures:
        parts.append(_groups("turn", figures["by_turn"]))
    parts += [_groups("type", figures["by_type"]), _rest(figures)]
    if "ablation" in figures:
        parts.append(table_of(figures["ablation"]))
    return "\n\n".join(parts)


def _heading(figures: Figures) -> str:
    lines = [
        f"# {figures['suite']}",
        f"{figures['asked']} asked ({figures['queries']} questions), {figures['judged']} of them with something relevant "
        f"to find; {figures['chunks']} chunks; options: {figures['options'] or 'the standard ones'}.",
    ]
    history = figures["history"]
    if history["with_history"]:
        lines.append(
            f"{history['with_history']} questions of the suite have a history, {history['with_standalone']} a human "
            f"rewrite; {HISTORY[history['mode']]}."
        )
    return "\n".join(lines)


def _retrieval(figures: Figures) -> str:
    return _table(("", *RETRIEVAL), [("all", *(f"{figures[name]:.3f}" for name in RETRIEVAL))])


def _groups(title: str, groups: Mapping[str, Figures]) -> str:
    rows = [
        (
            name,
            str(group["asked"]),
            str(group["judged"]),
            # A group in which nothing relevant is to be found has no measures, which is not a measure of 0.
            *(f"{group[measure]:.3f}" if group["judged"] else "–" for measure in RETRIEVAL),
        )
        for name, group in groups.items()
    ]
    return _table((title, "asked", "judged", *RETRIEVAL), rows)


def _rest(figures: Figures) -> str:
    latency, stages = figures["latency_ms"], figures["stages_ms"]
    by_stage = ", ".join(f"{name} {value}" for name, value in stages.items())
    lines = [f"- Time for one question: p50 {latency['p50']} ms, p95 {latency['p95']} ms ({by_stage})."]
    if figures["leaks"]:
        where = ", ".join(f"{number} in {name}" for name, number in figures["leaks_by_stage"].items())
        lines.append(f"- Leaks: {figures['leaks']} documents the reader may not read ({where}).")
    else:
        lines.append("- Leaks: 0, at any stage.")
    if "answer@1" in figures:
        lines.append(
            f"- The answer's words in the first quote {figures['answer@1']:.3f}, "
            f"in the first three {figures['answer@3']:.3f}."
        )
    if "refusal" in figures:
        refusal = figures["refusal"]
        lines.append(
            f"- Refusing {refusal['unanswerable']} unanswerable among {refusal['answerable']} answerable questions: "
            f"precision {refusal['precision']:.3f}, recall {refusal['recall']:.3f}, area under the curve "
            f"{refusal['auc']:.3f}; {refusal['asked_back']} were asked back."
        )
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:  # Any: cells as text
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
