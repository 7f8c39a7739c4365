"""What `make bench` prints: every figure the documentation quotes, as far as its data is at hand.

`BENCH_DATA` names the folder with `suites/`, `northwind_pdf/` and `documents/`; without it, what needs that data is left
out and said so. Times are of this machine at this moment; compare within one run. `BENCH_SCALE` names a folder
in which the large made-up installations are kept for the next time; a million chunks are measured by hand (docs/speed.md).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.server import ROOT

SIZES = ("1000", "10000", "100000")


def main() -> None:
    """Run every part and say which failed."""
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        run(Path(os.environ.get("BENCH_SCALE") or folder))


def run(scale: Path) -> None:
    """Run every part; `scale` is where the large installations are built, or lie from an earlier time."""
    data = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
    parts: list[tuple[str, list[str], Path | None]] = [
        ("Answering", ["benchmarks.answering"], None),
        ("Questions as they are asked at work", ["benchmarks.at_work"], None),
        ("A folder of PDFs", ["benchmarks.folder", str(data / "northwind_pdf")], data / "northwind_pdf"),
        ("Documents of many formats", ["benchmarks.documents", str(data / "documents")], data / "documents"),
        ("Suites", ["benchmarks.suites", str(data / "suites"), "--ablation"], data / "suites"),
        (
            "Questions about something else",
            ["benchmarks.elsewhere", str(data / "suites"), str(scale / "elsewhere")],
            data / "suites",
        ),
        (
            "Questions asked politely",
            ["benchmarks.politely", str(data / "suites"), str(scale / "politely"), "northwind", "scifact"],
            data / "suites",
        ),
        ("Filtered search against brute force", ["benchmarks.filtered"], None),
        ("Latency against size", ["benchmarks.scale", str(scale), *SIZES], None),
        ("Four askers against one", ["benchmarks.askers", str(scale / SIZES[-1]), SIZES[-1]], None),
    ]
    failed = []
    for title, command, needed in parts:
        print(f"\n## {title}\n", flush=True)
        if needed is not None and not needed.exists():
            print(
                f"Left out: {needed.name} is not at hand. Set BENCH_DATA to the folder that holds it.",
                flush=True,
            )
            continue
        if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode:
            failed.append(title)
    if failed:
        raise SystemExit(f"These parts failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
