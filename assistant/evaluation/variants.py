"""Ablation: the same questions over the same ingest, asked once for each option turned off or set otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assistant.choices import usable_choices
from assistant.evaluation.asking import Asked, Asking, ask_all
from assistant.evaluation.figures import Figures, latency_of, leaks_of_all, measure, retrieval_of
from assistant.evaluation.storing import Say
from assistant.suites import Suite
from retrieval.options import Options

MEASURES = ("ndcg@10", "recall@5", "recall@10", "all@10")


@dataclass(frozen=True)
class Variant:
    """A way for retrieval to work, and how it differs from the standard, as it is typed."""

    name: str
    options: Options


def variants_of(standard: Options) -> Iterator[Variant]:
    """Yield the standard, then each option set to each other value it takes here, one at a time."""
    yield Variant("standard", standard)
    for name, words in usable_choices().items():
        for word in words:
            value = getattr(Options.parse(f"{name}={word}"), name)
            if value != getattr(standard, name):
                yield Variant(f"{name}={word}", replace(standard, **{name: value}))


def ablation(suite: Suite, asking: Asking, standard: Sequence[Asked], say: Say) -> list[Figures]:
    """Return one row per variant, each with its difference to the first: `standard`, what asking as usual brought."""
    rows: list[Figures] = []
    for variant in variants_of(asking.options):
        asked = standard
        if rows:
            say(f"Asking with {variant.name} …")
            asked = ask_all(suite, replace(asking, options=variant.options, extracts=False), say)
        retrieved = retrieval_of(measure(suite, asked))
        row: Figures = {
            "variant": variant.name,
            **{name: retrieved[name] for name in MEASURES},
            "p50_ms": latency_of(asked)["p50"],
            "leaks": leaks_of_all(asked),
        }
        row["difference"] = {name: round(row[name] - (rows or [row])[0][name], 4) for name in MEASURES}
        rows.append(row)
    return rows


def table_of(rows: Sequence[Figures]) -> str:
    """Return the rows as a Markdown table: each measure with its difference to the standard."""
    lines = [
        f"| variant | {' | '.join(MEASURES)} | p50 ms | leaks |",
        "| --- |" + " ---: |" * (len(MEASURES) + 2),
    ]
    for number, row in enumerate(rows):
        cells = [_cell(row, name, is_first=number == 0) for name in MEASURES]
        lines.append(f"| {row['variant']} | {' | '.join(cells)} | {row['p50_ms']} | {row['leaks']} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any], name: str, *, is_first: bool) -> str:  # Any: JSON values
    value = f"{row[name]:.3f}"
    return value if is_first else f"{value} ({row['difference'][name]:+.3f})"
