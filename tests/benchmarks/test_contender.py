"""The product behind a pipe, as a side-by-side comparison starts it: a process of its own, three documents, real searches."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    {"id": "travel", "title": "Travel policy", "text": "Hotels cost at most 180 euros a night."},
    {"id": "bonus", "title": "", "text": "The bonus pool is 90,000 euros this year."},
    {"id": "7", "text": "Soup is served on Mondays from noon."},
]


def conversation(*asked: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.contender"],
        cwd=ROOT, input="".join(json.dumps(line) + "\n" for line in asked), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_contender_takes_documents_and_answers_searches_line_by_line(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in DOCUMENTS), encoding="utf-8")
    done = conversation(
        {"op": "ingest", "documents": str(corpus)},
        {"op": "search", "query": "How much may a hotel cost a night?", "k": 50},
        {"op": "search", "query": "When is soup served?", "k": 1},
        {"op": "search", "query": "When is it served?", "k": 50},
        {"op": "stats"},
    )
    assert done.returncode == 0, done.stderr
    # Nothing but answers may stand on standard output, one for each line asked.
    ingested, hotel, soup, asked_back, stats = (json.loads(line) for line in done.stdout.splitlines())
    assert ingested == {"chunks": 3}
    assert hotel["documents"][0] == "travel"
    assert set(hotel["documents"]) <= {"travel", "bonus", "7"}
    assert soup["documents"] == ["7"]
    # A person would be asked what "it" is; nobody is here to say, so the words are searched for as they are.
    assert asked_back["documents"][0] == "7"
    assert stats["peak_rss_mib"] > 100
    assert stats["versions"]["qdrant-edge-py"]


@pytest.mark.slow
def test_what_the_contender_cannot_do_ends_it_with_a_sentence() -> None:
    done = conversation({"op": "dance"})
    assert done.returncode != 0
    assert "There is no operation 'dance'" in done.stderr
