"""Read every file of a folder of documents and hold the outcome against what its manifest expects.

    python -m benchmarks.documents PATH/TO/documents [--time PATH/TO/pdfs]

`manifest.jsonl` in the folder has one line a file: file, format, expect. Prints a Markdown table and a summary, and
with --time how long each PDF of another folder takes a page. Ends with status 1 when an outcome is not as expected.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REFUSED = {
    "refuse_or_password": {"encrypted"},
    "refuse": {"corrupt", "unsupported", "zip_bomb", "empty"},
    "text_or_refuse": {"corrupt", "unsupported", "empty"},
    "text_or_unsupported": {"unsupported"},
    "no_text_or_ocr": {"no_text"},
    "empty": {"empty"},
}
READ = {
    "text",
    "text_or_refuse",
    "text_or_unsupported",
    "text_no_network",
    "text_flag_hidden",
    "no_text_or_ocr",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    format: str
    expected: str
    outcome: str
    characters: int
    remark: str
    seconds: float
    is_expected: bool


def outcome_of(path: Path, kind: str, expected: str, least: int) -> Outcome:
    """Read one file and judge it; `least` is how many characters another reader found, 0 when unknown."""
    from ingestion.parsing import parse
    from ingestion.types import Unreadable

    started = time.perf_counter()
    try:
        parsed = parse(path, path.name)
    except Unreadable as error:
        is_expected = error.code in REFUSED.get(expected, set())
        return Outcome(path.name, kind, expected, f"refused: {error.code}", 0, error.reason, time.perf_counter() - started, is_expected)  # fmt: skip
    seconds = time.perf_counter() - started
    is_expected = expected in READ and len(parsed.text) >= 0.8 * least
    if expected == "text_flag_hidden":
        is_expected = any("cannot be seen" in warning for warning in parsed.warnings)
    return Outcome(
        path.name, kind, expected, "read", len(parsed.text), " ".join(parsed.warnings), seconds, is_expected
    )


def main(arguments: list[str]) -> int:
    """Run the benchmark and return the exit status."""
    options = argparse.ArgumentParser(description="Read a folder of documents against its manifest.")
    options.add_argument("folder", type=Path)
    options.add_argument("--time", type=Path, metavar="FOLDER", help="also time each PDF of this folder")
    given = options.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    outcomes = []
    for line in (given.folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        least = int((entry.get("observed") or {}).get("text_chars") or 0)
        outcomes.append(outcome_of(given.folder / entry["file"], entry["format"], entry["expect"], least))
    print("| file | format | expected | outcome | characters | warning or reason |")
    print("| --- | --- | --- | --- | ---: | --- |")
    for one in outcomes:
        mark = "" if one.is_expected else " **not as expected**"
        print(
            f"| {one.name} | {one.format} | {one.expected} | {one.outcome}{mark} | {one.characters:,} | {one.remark} |"
        )
    met = sum(one.is_expected for one in outcomes)
    read = sum(one.outcome == "read" for one in outcomes)
    total = sum(one.seconds for one in outcomes)
    print(
        f"\n{met} of {len(outcomes)} as expected; {read} read, {len(outcomes) - read} refused; {total:.1f} s in all."
    )
    if given.time:
        timed(given.time)
    return 0 if met == len(outcomes) else 1


def timed(folder: Path) -> None:
    """Print how long each PDF of a folder takes to read."""
    from ingestion.parsing import parse

    print("\n| file | pages | characters | seconds | ms a page |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for path in sorted(folder.glob("*.pdf")):
        started = time.perf_counter()
        parsed = parse(path, path.name)
        seconds = time.perf_counter() - started
        pages = parsed.page_count or 1
        print(
            f"| {path.name} | {pages} | {len(parsed.text):,} | {seconds:.2f} | {seconds / pages * 1000:.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
