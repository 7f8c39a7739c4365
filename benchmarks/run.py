"""What `make bench` prints: every figure the documentation quotes, as far as its data is at hand.

`BENCH_DATA` names the folder with `suites/`, `northwind_pdf/` and `documents/`; without it, what needs that data is left
out and said so. Times are of this machine at this moment; compare within one run.
"""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.server import ROOT


def main() -> None:
    data = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
    parts: list[tuple[str, list[str], Path | None]] = [
        ("Answering", ["benchmarks.answering"], None),
        ("A folder of PDFs", ["benchmarks.folder", str(data / "northwind_pdf")], data / "northwind_pdf"),
        ("Documents of many formats", ["benchmarks.documents", str(data / "documents")], data / "documents"),
        ("Suites", ["benchmarks.suites", str(data / "suites"), "--ablation"], data / "suites"),
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
