"""Questions about something else: `python -m benchmarks.elsewhere SUITES WORK [CORPUS …]`.

Each corpus (by default northwind and squad2) is asked its own questions, and those of other suites, which nothing in it answers.
Printed is how many of both are refused, and how well "stated" tells one from the other. WORK keeps the stored
corpora, as `benchmarks.suites --keep` does.
"""

import argparse
from pathlib import Path

from benchmarks.suites import evaluated, questions_of, write_like

CORPORA = ("northwind", "squad2")
QUESTIONS = ("2wiki101", "hotpotqa100", "musique100", "northwind", "scifact", "squad2")
"""Suites whose questions stand alone."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.elsewhere")
    parser.add_argument("suites", type=Path, help="folder of suites")
    parser.add_argument("work", type=Path, help="where stored corpora are kept")
    parser.add_argument("corpora", nargs="*", default=CORPORA, help="the suites whose documents are asked")
    given = parser.parse_args()
    print("| asked of | its own | refused | others' | refused | area |")
    print("| --- |" + " ---: |" * 5)
    for corpus in given.corpora:
        asked = given.work.resolve() / f"others of {corpus}"
        write_suite(given.suites, corpus, asked)
        told = evaluated(asked, ["--keep", str(given.work.resolve() / corpus)])["refusal"]
        others = told["recall"] * told["unanswerable"]
        own = others / told["precision"] - others if told["precision"] else 0.0
        print(
            f"| {corpus} | {told['answerable']} | {own / told['answerable']:.3f} "
            f"| {told['unanswerable']} | {told['recall']:.3f} | {told['auc']:.3f} |",
            flush=True,
        )


def write_suite(suites: Path, corpus: str, folder: Path) -> None:
    """Make a suite of one's documents and the questions it answers, and of the others' questions, none of which it does."""
    rows = [
        row for row in questions_of(suites / corpus) if not row.get("type", "").startswith("unanswerable")
    ]
    for name in QUESTIONS:
        if name != corpus:
            rows += [
                {"id": f"{name} {row['id']}", "text": row["text"], "type": "unanswerable"}
                for row in questions_of(suites / name)
            ]
    write_like(suites / corpus, folder, rows)


if __name__ == "__main__":
    main()
