"""Every suite in a folder through `manage.py evaluate`, as one table: `python -m benchmarks.suites FOLDER [NAME …]`.

`--keep FOLDER` keeps each ingested suite in a folder of its own below, and uses what is kept there; `--options` and
`--history` are passed on; `--ablation` prints one table per suite of what each option of retrieval is worth on it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django

from benchmarks.server import ROOT

# What the suites are held to, by measure.
WANTED = {
    "scifact": {"ndcg@10": 0.76},
    "hotpotqa100": {"recall@5": 0.94},
    "2wiki101": {"recall@5": 0.85, "recall@10": 0.90},
    "musique100": {"recall@5": 0.72, "all@10": 0.48},
    "mtrag": {"ndcg@10": 0.80},
    "northwind": {"ndcg@10": 0.57},
    "squad2": {"recall@5": 0.98, "answer@1": 0.82, "answer@3": 0.91, "refusal auc": 0.72},
}
MEASURES = ("ndcg@10", "recall@2", "recall@5", "recall@10", "all@10", "answer@1", "answer@3", "refusal auc")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suites")
    parser.add_argument("folder", type=Path, help="folder of suites")
    parser.add_argument("names", nargs="*", help="only these suites")
    parser.add_argument("--options", help="how retrieval is to work, passed on")
    parser.add_argument("--history", choices=("on", "off", "standalone"), default="on", help="passed on")
    parser.add_argument("--keep", type=Path, help="keep every ingested suite in a folder below this one")
    parser.add_argument("--ablation", action="store_true", help="print what each option is worth as well")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from assistant.evaluation.variants import table_of

    print(f"| suite | {' | '.join(MEASURES)} | leaks | chunks | chunks/s | p50 ms | p95 ms |")
    print("| --- |" + " ---: |" * (len(MEASURES) + 5))
    missed: list[str] = []
    ablations: list[str] = []
    for suite in sorted(path for path in given.folder.iterdir() if (path / "corpus.jsonl").exists()):
        if given.names and suite.name not in given.names:
            continue
        result = measured(suite, given)
        print(row_of(suite.name, result, missed), flush=True)
        if given.ablation:
            ablations.append(f"### {suite.name}\n\n{table_of(result['ablation'])}")
    for table in ablations:
        print(f"\n{table}")
    print("\nBelow what is wanted: " + ("; ".join(missed) if missed else "nothing."))


def measured(suite: Path, given: argparse.Namespace) -> dict[str, Any]:  # Any: the command's JSON
    """Return what the command prints of one suite."""
    more = ["--history", given.history]
    if given.options is not None:
        more += ["--options", given.options]
    if given.keep is not None:
        more += ["--keep", str(given.keep.resolve() / suite.name)]
    if given.ablation:
        more.append("--ablation")
    result = evaluated(suite, more)
    result["refusal auc"] = result.get("refusal", {}).get("auc")
    return result


def evaluated(suite: Path, more: Sequence[str], **environment: str) -> dict[str, Any]:  # Any: as above
    """Return what `manage.py evaluate` says of a suite, asked with these options and in this environment besides our own."""
    command = [sys.executable, "manage.py", "evaluate", str(suite.resolve()), "--json", *more]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)  # Any: as above
    return result


def questions_of(suite: Path) -> list[dict[str, Any]]:  # Any: JSON values
    """Return the questions of a suite as its file has them."""
    with (suite / "queries.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_like(suite: Path, folder: Path, questions: Sequence[dict[str, Any]]) -> None:  # Any: as above
    """Make a suite of another's documents and judgements, and of these questions."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "meta.json", "qrels.tsv"):
        shutil.copy(suite / name, folder / name)
    text = "".join(json.dumps(row) + "\n" for row in questions)
    (folder / "queries.jsonl").write_text(text, encoding="utf-8")


def row_of(name: str, result: dict[str, Any], missed: list[str]) -> str:  # Any: as above
    """Return one suite's line of the table, and note what it misses."""
    cells = []
    for measure in MEASURES:
        value, aim = result.get(measure), WANTED.get(name, {}).get(measure)
        cells.append("" if value is None else f"{value:.3f}" + (f" (≥ {aim})" if aim else ""))
        if aim and value is not None and value < aim:
            missed.append(f"{name} {measure} {value:.3f} < {aim}")
    if result["leaks"]:
        missed.append(f"{name} leaks {result['leaks']}")
    latency = result["latency_ms"]
    return (
        f"| {name} | {' | '.join(cells)} | {result['leaks']} | {result['chunks']} "
        f"| {result['chunks_per_second']} | {latency['p50']} | {latency['p95']} |"
    )


if __name__ == "__main__":
    main()
