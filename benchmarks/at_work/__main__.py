"""Questions as they are asked at work: `python -m benchmarks.at_work [SET …]`, by default both sets in this folder.

The demo organisation is loaded into a folder of its own and each question asked as its person. Of those that a document answers is
printed how many quote a sentence that does, show one at least among what comes nearest, and are refused; of those that none
answers, how many are refused, and how many are answered without a caution about the first quote.
"""

import argparse
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.server import manage

HERE = Path(__file__).parent
ROWS = (
    "answerable", "quoted right", "first quote right", "shown right", "refused", "found in three documents",
    "unanswerable", "refused rightly", "answered without a caution",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_work")
    parser.add_argument(
        "sets", nargs="*", type=Path, default=sorted(HERE.glob("*.jsonl")), help="files of questions"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="footnote-at-work-") as folder:
        manage(folder, "migrate", "--verbosity", "0")
        manage(folder, "demo")
        os.environ["FOOTNOTE_DATA_DIR"] = folder
        os.environ.pop("DATABASE_URL", None)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        told = [_told(path) for path in given.sets]
        from ingestion.index import close_index

        close_index()
    print(f"| of the questions of | {' | '.join(path.stem for path in given.sets)} |")
    print("| --- |" + " ---: |" * len(told))
    for row in ROWS:
        print(f"| {row} | {' | '.join(str(counts[row]) for counts in told)} |")


def _told(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        counts.update(_answerable(row) if row["expect"] else _unanswerable(row))
    return counts


def _answerable(row: dict[str, Any]) -> Iterator[str]:  # Any: JSON values
    from ingestion.models import Document

    quotes, _, nearest, found = _asked(row)
    names = Document.objects.in_bulk(found)
    yield "answerable"
    if not quotes:
        yield "refused"
    if _holds(quotes, row["contains"]):
        yield "quoted right"
    if _holds(quotes[:1], row["contains"]):
        yield "first quote right"
    if _holds([*quotes, *nearest], row["contains"]):
        yield "shown right"
    if any(names[document].external_id in row["expect"] for document in found[:3]):
        yield "found in three documents"


def _unanswerable(row: dict[str, Any]) -> Iterator[str]:
    quotes, is_sure, _, _ = _asked(row)
    yield "unanswerable"
    if not quotes:
        yield "refused rightly"
    elif is_sure:
        yield "answered without a caution"


def _asked(row: dict[str, Any]) -> tuple[list[str], bool, list[str], list[int]]:
    """Return what was quoted, whether the first quote stands without a caution, what comes nearest, and the documents found."""
    from accounts.models import User
    from accounts.viewer import viewer_of
    from assistant.pipeline import answer

    viewer = viewer_of(User.objects.get(email=row["as"]))
    values = {step.name: step.value for step in answer(row["question"], (), viewer)}
    if "clarify" in values:
        return [], False, [], []
    verified = values["verify"]
    passages = {item.passage.chunk: item.passage for item in values["context"].items}
    quotes = [" ".join(quote.text for quote in claim.quotes) for claim in verified.claims]
    nearest = [
        passages[n.chunk].text[n.start - passages[n.chunk].start : n.end - passages[n.chunk].start]
        for n in (verified.refusal.nearest if verified.refusal else ())
    ]
    is_sure = bool(verified.claims) and verified.claims[0].support == "supported"
    found = list(dict.fromkeys(entry.passage.document for entry in values["rerank"]))
    return quotes, is_sure, nearest, found


def _holds(quotes: Sequence[str], parts: Sequence[Sequence[str]]) -> bool:
    """Tell whether for every part one of its texts stands in one of the quotes."""
    lines = [_plain(quote) for quote in quotes]
    return all(any(_plain(text) in line for text in part for line in lines) for part in parts)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).lower()


if __name__ == "__main__":
    main()
