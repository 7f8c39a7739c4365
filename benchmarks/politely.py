"""Questions asked as one asks a colleague: `python -m benchmarks.politely SUITES WORK [SUITE …]`.

Each suite (by default northwind, scifact and squad2) is asked its questions bare, and with greeting, request and thanks around them.
Half of the wrappings are such as `retrieval/courtesy.py` has words for, half were not looked at when it was written.
WORK keeps the stored corpora, as `benchmarks.suites --keep` does.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.suites import evaluated

SUITES = ("northwind", "scifact", "squad2")
WRAPPINGS: dict[str, tuple[str, ...]] = {
    "usual": (
        "Hi, can you please tell me: {}",
        "I would like to know the following. {} Thank you in advance for your help!",
        "Hello team, I'm looking for information about this: {}",
        "Dear colleagues, I hope you are well. {} Best regards, Martha",
    ),
    "others": (
        "Random one for the hive mind today - {}",
        "My boss asked me something and I have no idea, so here goes: {} Would be great to hear back soon.",
        "Sorry to bother everybody on a Friday afternoon, but {}",
        "Been searching for an hour and I give up! {} Much obliged.",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.politely")
    parser.add_argument("suites", type=Path, help="folder of suites")
    parser.add_argument("work", type=Path, help="where stored corpora are kept")
    parser.add_argument("names", nargs="*", default=SUITES, help="the suites to ask")
    given = parser.parse_args()
    print(f"| nDCG@10 | bare | {' | '.join(WRAPPINGS)} |")
    print("| --- |" + " ---: |" * (1 + len(WRAPPINGS)))
    for name in given.names:
        keep = ["--keep", str(given.work.resolve() / name)]
        figures = [evaluated(given.suites / name, keep)["ndcg@10"]]
        for kind, wrappings in WRAPPINGS.items():
            asked = given.work.resolve() / f"{name}, {kind}"
            write_suite(given.suites / name, asked, wrappings)
            figures.append(evaluated(asked, keep)["ndcg@10"])
        print(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def write_suite(suite: Path, folder: Path, wrappings: Sequence[str]) -> None:
    """Make a suite like another whose questions stand in these, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "meta.json", "qrels.tsv"):
        shutil.copy(suite / name, folder / name)
    with (suite / "queries.jsonl").open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]  # Any: JSON values
    text = "".join(
        json.dumps({**row, "text": wrapping.format(row["text"])}) + "\n"
        for row, wrapping in zip(rows, cycle(wrappings), strict=False)
    )
    (folder / "queries.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
