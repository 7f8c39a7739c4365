"""How long finding takes as a collection grows: `python -m benchmarks.scale FOLDER [SIZE …] [--questions N] [--plot FILE]`.

For each size (in chunks; 1,000, 10,000 and 100,000 unless given) an installation is built in FOLDER/<size>, once, and
used again by the next run: rows in SQLite, vectors and words in the index (see `benchmarks.installation`). Then
different questions are asked through `retrieve`, one after the other, by three people in turn who may read all, half
and a twentieth of the documents: plan, search, gate, bridge and rerank, the question's embedding included, no question
twice. Printed are p50 and p95 per stage and in all, in milliseconds, and how many times as long each size takes as the
smallest. A million chunks take about twenty minutes to build and 9 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.server import ROOT

SIZES = (1_000, 10_000, 100_000)
WARM_UP = 30
QUESTIONS = 300


@dataclass(frozen=True)
class Measured:
    """One size: what building took, milliseconds as (p50, p95) per stage, per kind of question and in all, and the load."""

    chunks: int
    documents: int
    build_s: float
    index_s: float
    stages: dict[str, tuple[float, float]]
    kinds: dict[str, tuple[float, float]]
    total: tuple[float, float]
    load: float


def main(arguments: list[str]) -> None:
    """Build and measure each size in a process of its own, then print the table."""
    options = argparse.ArgumentParser(description="Latency of retrieval against the size of the collection.")
    options.add_argument("folder", type=Path)
    options.add_argument("sizes", type=int, nargs="*", default=list(SIZES))
    options.add_argument("--questions", type=int, default=QUESTIONS)
    options.add_argument("--plot", type=Path, help="also draw p50 and p95 against the size as SVG")
    options.add_argument(
        "--build-only", action="store_true", help="build what is missing and measure nothing"
    )
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.one:
        print(json.dumps(asdict(measure(given.folder, given.sizes[0], given.questions, given.build_only))))
        return
    results = []
    for size in sorted(given.sizes):
        printed = subprocess.run(
            [
                sys.executable, "-m", "benchmarks.scale", str(given.folder / str(size)), str(size), "--one",
                "--questions", str(given.questions), *(["--build-only"] if given.build_only else []),
            ],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
        results.append(Measured(**json.loads(printed)))
    print_table(results)
    if given.plot and not given.build_only:
        from benchmarks.plot import latency_plot

        given.plot.write_text(
            latency_plot([(r.chunks, r.total[0], r.total[1]) for r in results]), encoding="utf-8"
        )


def measure(folder: Path, chunks: int, count: int, build_only: bool) -> Measured:
    """Build the installation unless it is there, ask the questions, and return the figures."""
    from benchmarks.installation import asked, build, open_installation, readers

    open_installation(folder)
    built = build(folder, chunks)
    stages: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, list[float]] = defaultdict(list)
    total: list[float] = []
    if not build_only:
        from assistant.runner import warm
        from retrieval.orchestrator import retrieve

        viewers = list(readers().items())
        texts = asked(folder, chunks, count + WARM_UP)
        for number, text in enumerate(texts):
            name, viewer = viewers[number % len(viewers)]
            begun = time.perf_counter()
            steps = list(retrieve(text, (), viewer))
            milliseconds = (time.perf_counter() - begun) * 1000
            if number == WARM_UP - 1:
                warm()  # as every process that answers does, to be through with what was loaded
            if number >= WARM_UP:
                total.append(milliseconds)
                searches = len(steps[0].value.sub_queries)
                kinds[f"reads {name}"].append(milliseconds)
                kinds["one search" if searches == 1 else "several searches"].append(milliseconds)
                for step in steps:
                    stages[step.name].append(step.milliseconds)
    return Measured(
        chunks, built.documents, built.rows_s, round(built.upsert_s + built.optimize_s, 1),
        {name: shares(values) for name, values in stages.items()},
        {name: shares(values) for name, values in sorted(kinds.items())},
        shares(total), round(os.getloadavg()[0], 1),
    )  # fmt: skip


def shares(values: list[float]) -> tuple[float, float]:
    """Return p50 and p95 of values in milliseconds; zeros when there are none."""
    from retrieval.metrics import percentile

    return (round(percentile(values, 0.5), 1), round(percentile(values, 0.95), 1)) if values else (0.0, 0.0)


def print_table(results: list[Measured]) -> None:
    """Print one row per size: each stage's p50 / p95, the total, and how many times the smallest size's total."""
    stages = list(dict.fromkeys(stage for result in results for stage in result.stages))
    names = list(dict.fromkeys(name for result in results for name in result.kinds))
    columns = ["chunks", "documents", *stages, "in all", "times the smallest", *names]
    columns += ["rows s", "index s", "load"]
    print(f"| {' | '.join(columns)} |")
    print("|" + " ---: |" * len(columns))
    for result in results:
        cells = [f"{result.chunks:,}", f"{result.documents:,}"]
        cells += [_pair(result.stages.get(stage)) for stage in stages]
        cells += [f"**{_pair(result.total)}**", _ratio(result, results[0])]
        cells += [_pair(result.kinds.get(name)) for name in names]
        cells += [f"{result.build_s:.0f}", f"{result.index_s:.0f}", f"{result.load}"]
        print(f"| {' | '.join(cells)} |")


def _pair(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.1f} / {value[1]:.1f}"


def _ratio(result: Measured, smallest: Measured) -> str:
    if not smallest.total[0]:
        return ""
    return f"{result.total[0] / smallest.total[0]:.2f} / {result.total[1] / smallest.total[1]:.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
