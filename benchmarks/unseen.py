"""The reader on articles it has not seen: `python -m benchmarks.unseen SUITE_FOLDER WORK_FOLDER`.

SUITE_FOLDER is squad2's. Its training questions about four of the sixteen articles are asked twice, retrieval included: with
features alone, and with a reader that learned from the other twelve; then the same for four more. WORK_FOLDER keeps
what takes long: the stored suite, and each reader's weights (a quarter of an hour).
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from benchmarks.server import ROOT
from benchmarks.suites import evaluated

PARTS = (
    ("Computational_complexity_theory", "European_Union_law", "French_and_Indian_War", "Scottish_Parliament"),
    ("Force", "Imperialism", "Packet_switching", "Yuan_dynasty"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unseen")
    parser.add_argument("suite", type=Path, help="folder of squad2")
    parser.add_argument("work", type=Path, help="where the stored suite and the weights are kept")
    given = parser.parse_args()
    suite, work = given.suite.resolve(), given.work.resolve()
    print("| articles | answer@1 | answer@3 | area | refusals right | unanswerable refused |")
    print("| --- |" + " ---: |" * 5)
    for number, articles in enumerate(PARTS, start=1):
        weights = work / f"without{number}.safetensors"
        asked = work / f"part{number}"
        write_part(suite, asked, articles)
        if not weights.exists():
            command = ["benchmarks.train_reader", str(suite), str(weights), "--without", *articles]
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True, stdout=sys.stderr)
        for name, reader in (("features alone", "off"), ("with a reader", str(weights))):
            found = evaluated(asked, ["--keep", str(work / "stored")], FOOTNOTE_READER=reader)
            refusal = found["refusal"]
            figures = (
                found["answer@1"],
                found["answer@3"],
                *(refusal[of] for of in ("auc", "precision", "recall")),
            )
            print(f"| {number}, {name} | {' | '.join(f'{value:.3f}' for value in figures)} |", flush=True)


def write_part(suite: Path, folder: Path, articles: Collection[str]) -> None:
    """Make a suite of the training questions about these articles, over the whole corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "meta.json"):
        shutil.copy(suite / name, folder / name)
    with (suite / "train.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row["context_doc"].partition("#")[0] in articles]
    keys = "id", "text", "type", "answer", "answers"
    queries = "".join(json.dumps({key: row[key] for key in keys}) + "\n" for row in rows)
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    qrels = "".join(f"{row['id']}\t{row['context_doc']}\t1\n" for row in rows if row["answers"])
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8")


if __name__ == "__main__":
    main()
