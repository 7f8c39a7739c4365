"""Every suite in a folder through `manage.py evaluate`, as one table: `python -m benchmarks.suites FOLDER [NAME …]`."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.server import ROOT

# What the suites are held to, by measure.
WANTED = {
    "scifact": {"ndcg@10": 0.73},
    "squad2": {"recall@5": 0.95, "answer@1": 0.76, "answer@3": 0.87},
    "hotpotqa100": {"recall@5": 0.80},
}
MEASURES = ("ndcg@10", "recall@2", "recall@5", "recall@10", "answer@1", "answer@3")


def main(folder: Path, names: list[str]) -> None:
    print(f"| suite | {' | '.join(MEASURES)} | leaks | chunks | chunks/s | p50 ms | p95 ms |")
    print("| --- |" + " --- |" * (len(MEASURES) + 5))
    missed = []
    for suite in sorted(path for path in folder.iterdir() if (path / "corpus.jsonl").exists()):
        if names and suite.name not in names:
            continue
        printed = subprocess.run(
            [sys.executable, "manage.py", "evaluate", str(suite.resolve()), "--json"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        result = json.loads(printed)
        wanted = WANTED.get(suite.name, {})
        cells = []
        for measure in MEASURES:
            value = result.get(measure)
            aim = wanted.get(measure)
            cells.append("" if value is None else f"{value:.3f}" + (f" (≥ {aim})" if aim else ""))
            if aim and value is not None and value < aim:
                missed.append(f"{suite.name} {measure} {value:.3f} < {aim}")
        latency = result["latency_ms"]
        print(
            f"| {suite.name} | {' | '.join(cells)} | {result['leaks']} | {result['chunks']} | {result['chunks_per_second']} "
            f"| {latency['p50']} | {latency['p95']} |",
            flush=True,
        )
        if result["leaks"]:
            missed.append(f"{suite.name} leaks {result['leaks']}")
    print("\nBelow what is wanted: " + ("; ".join(missed) if missed else "nothing."))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("Usage: python -m benchmarks.suites FOLDER_OF_SUITES [NAME …]")
    main(Path(sys.argv[1]), sys.argv[2:])
