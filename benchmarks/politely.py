"""Questions asked as one asks a colleague: `python -m benchmarks.politely SUITES WORK [SUITE …]`.

Each suite (by default northwind, scifact and squad2) is asked its questions bare, and with greeting, request and thanks around them.
Half of the wrappings are such as `retrieval/courtesy.py` has words for, half were not looked at when it was written.
WORK keeps the stored corpora, as `benchmarks.suites --keep` does.
"""

import argparse
from itertools import cycle
from pathlib import Path

from benchmarks.suites import evaluated, questions_of, write_like

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
        suite = given.suites / name
        figures = [evaluated(suite, keep)["ndcg@10"]]
        for kind, wrappings in WRAPPINGS.items():
            asked = given.work.resolve() / f"{name}, {kind}"
            rows = [
                {**row, "text": wrapping.format(row["text"])}
                for row, wrapping in zip(questions_of(suite), cycle(wrappings), strict=False)
            ]
            write_like(suite, asked, rows)
            figures.append(evaluated(asked, keep)["ndcg@10"])
        print(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
