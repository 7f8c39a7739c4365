"""A folder of PDFs, from connecting it to the first right answer with the right page: `python -m benchmarks.folder FOLDER`."""

import sys
import time
from pathlib import Path

from benchmarks.server import ROOT, Person, data_folder, manage, serving

# Asked of the six Northwind PDFs; each is stated on one known page.
QUESTIONS = [("What is the maximum amount PerksPlus reimburses?", "PerksPlus", None)]

CONNECT = """
import time
from accounts.audit import By
from accounts.models import User
from accounts.viewer import EVERYONE
from ingestion import pipeline
from ingestion.access import Rule
from ingestion.actions import connect_source, request_sync
from ingestion.models import Chunk
user = User(email="alice@halden.example", name="Alice")
user.set_password("footnote-demo")
user.save()
begun = time.perf_counter()
by = By.system("bench")
source = connect_source(by=by, kind="folder", name="Northwind", path={path!r}, rule=Rule.of({{EVERYONE}}))
for _ in pipeline.sync(request_sync(by=by, source=source).pk):
    pass
print(f"{{time.perf_counter() - begun:.1f}} {{Chunk.objects.count()}}")
"""


def main(given: Path) -> None:
    with data_folder() as folder:
        # A folder source needs a rule at its root; the measured folder is only read, so it is copied.
        source = Path(folder) / "sources" / "northwind"
        source.mkdir(parents=True)
        for path in sorted(given.glob("*.pdf")):
            (source / path.name).write_bytes(path.read_bytes())
        (source / "access.yaml").write_text("allow:\n  - everyone\n")
        manage(folder, "migrate", "--verbosity", "0")
        begun = time.perf_counter()
        printed = manage(folder, "shell", "-v", "0", "-c", CONNECT.format(path=str(source))).stdout.split()
        with serving(folder) as server:
            person = Person(server, "alice@halden.example")
            answers = [(person.ask(text), title) for text, title, _ in QUESTIONS]
            seconds = time.perf_counter() - begun
    print(f"| {given.name}: {printed[1]} chunks | measured | wanted |")
    print("| --- | --- | --- |")
    print(f"| connected, parsed, embedded, indexed, s | {printed[0]} | |")
    print(f"| until the first answer, server start included, s | {seconds:.1f} | ≤ 60 |")
    for timed, title in answers:
        for note in timed.answer["answer"]["footnotes"]:
            print(f"| cites | {note['title']}, page {note['page']}: “{note['quote'][:90]}” | {title} |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(
            f"Usage: {Path(sys.executable).name} -m benchmarks.folder FOLDER_OF_PDFS (from {ROOT})"
        )
    main(Path(sys.argv[1]))
