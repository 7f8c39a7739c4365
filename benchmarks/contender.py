"""Footnote behind a pipe, to be measured side by side with other retrieval stacks by whoever starts it.

One JSON object per line on standard input, one per line back on standard output, in the same order:

    {"op": "ingest", "documents": "<path of a JSON-lines file>"}   -> {"chunks": 5183}
    {"op": "search", "query": "…", "k": 50}                        -> {"documents": ["id", …]}
    {"op": "stats"}                                                -> {"peak_rss_mib": 900, "versions": {…}}

A line of the documents' file is an object with `id`, `text` and perhaps `title`. A search answers with the ids of the
documents that the ranked chunks belong to, best first, one per chunk, so an id can come again; at most `k`, and fewer
when fewer chunks are ranked. What cannot be done ends the process with a message on standard error. Everything is the
product's own code: chunks, embeddings, index, plan, search, gate, bridge and rerank, asked by one person who may read
everything, in a data folder that is made for this process and removed with it.
"""

import importlib.metadata
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accounts.viewer import Viewer

VERSIONS = ("footnote", "qdrant-edge-py", "sentence-transformers", "transformers", "torch")

Answer = dict[str, Any]  # Any: JSON values


class Contender:
    """One throw-away installation: takes a corpus once, then answers searches."""

    def __init__(self) -> None:
        self._viewer: Viewer | None = None
        self._ids: dict[int, str] = {}

    def ingest(self, asked: Answer) -> Answer:
        """Store, embed and index the documents of a file; return how many chunks they became."""
        from accounts.models import User
        from accounts.viewer import viewer_of
        from assistant.evaluation import ingest
        from assistant.runner import warm
        from assistant.suites import Suite, SuiteDocument
        from ingestion.index import get_index
        from ingestion.models import Chunk, Document

        with Path(asked["documents"]).open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file if line.strip()]
        documents = tuple(
            SuiteDocument(str(row["id"]), str(row.get("title") or ""), str(row["text"]), None) for row in rows
        )
        ingest(Suite("Corpus", documents, (), {}), lambda line: print(line, file=sys.stderr, flush=True))
        get_index().optimize()
        warm()  # as every process that answers does before its first question
        self._viewer = viewer_of(User.objects.get(email="everybody@suite.example"))
        self._ids = dict(Document.objects.values_list("pk", "external_id"))
        return {"chunks": Chunk.objects.count()}

    def search(self, asked: Answer) -> Answer:
        """Return the document of each ranked chunk, best first.

        Nobody is there to answer a question back, so what would be asked back is searched for as it was typed.
        """
        from retrieval.options import Options
        from retrieval.orchestrator import retrieve

        if self._viewer is None:
            raise SystemExit("A search came before the documents.")
        query = str(asked["query"])
        values = {step.name: step.value for step in retrieve(query, (), self._viewer)}
        if "rerank" not in values:
            as_typed = Options.parse("planning=off")
            values = {step.name: step.value for step in retrieve(query, (), self._viewer, options=as_typed)}
        return {
            "documents": [self._ids[item.passage.document] for item in values["rerank"][: int(asked["k"])]]
        }

    def stats(self, asked: Answer) -> Answer:
        """Return the highest memory use of this process so far, in MiB, and what it is made of."""
        return {
            "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        }


def serve(lines: IO[str], out: IO[str]) -> None:
    """Answer every line until the input ends."""
    contender = Contender()
    operations: dict[str, Callable[[Answer], Answer]] = {
        "ingest": contender.ingest, "search": contender.search, "stats": contender.stats,
    }  # fmt: skip
    for line in lines:
        asked = json.loads(line)
        if asked.get("op") not in operations:
            raise SystemExit(f"There is no operation {asked.get('op')!r}; there are {', '.join(operations)}.")
        print(json.dumps(operations[asked["op"]](asked)), file=out, flush=True)


def main() -> None:
    """Serve standard input in a data folder of its own."""
    out, sys.stdout = sys.stdout, sys.stderr  # nothing that a library prints may land among the answers
    with tempfile.TemporaryDirectory(prefix="footnote-contender-") as folder:
        os.environ["FOOTNOTE_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        for name in ("DATABASE_URL", "QDRANT_URL", "FOOTNOTE_RETRIEVAL"):
            os.environ.pop(name, None)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        from ingestion.index import close_index

        try:
            serve(sys.stdin, out)
        finally:
            close_index()


if __name__ == "__main__":
    main()
