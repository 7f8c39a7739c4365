"""Evaluation: suites read and checked, and a small one measured through the command, access rules included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.suites import SuiteError, read_suite

ROOT = Path(__file__).resolve().parents[2]
# As typed by a person: with the product's own settings, not the tests'.
ENVIRONMENT = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}


def write_suite(folder: Path, **files: str) -> Path:
    contents = {
        "corpus.jsonl": '{"id": "a", "title": "Travel policy", "text": "Hotels cost at most 180 euros a night."}\n'
        '{"id": "b", "title": "Bonus plan", "text": "The bonus pool is 90,000 euros this year.", "acl": ["leads"]}\n'
        '{"id": "c", "title": "Canteen", "text": "Soup is served on Mondays from noon.", "acl": []}\n',
        "queries.jsonl": '{"id": "1", "text": "How much may a hotel cost a night?", "answers": ["180 euros"], "readers": ["staff"]}\n'
        '{"id": "2", "text": "How large is the bonus pool this year?", "answers": ["90,000"], "readers": ["leads"]}\n'
        '{"id": "3", "text": "What is the bonus pool and when is soup served?", "readers": ["staff"]}\n',
        "qrels.tsv": "1\ta\t1\n2\tb\t1\n",
        **files,
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_suite_is_read_with_its_rules_readers_and_grades(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path))
    assert [d.acl for d in suite.documents] == [None, ("leads",), ()]
    assert suite.queries[0].readers == ("staff",)
    assert suite.grades == {"1": {"a": 1}, "2": {"b": 1}}


def test_history_becomes_turns_of_question_and_answer(tmp_path: Path) -> None:
    history = '[{"speaker": "user", "text": "Q"}, {"speaker": "agent", "text": "A"}]'
    write_suite(tmp_path, **{"queries.jsonl": f'{{"id": "1", "text": "And then?", "history": {history}}}\n'})
    turn = read_suite(tmp_path).queries[0].history[0]
    assert (turn.question, turn.answer) == ("Q", "A")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("corpus.jsonl", "not json\n", "corpus.jsonl, line 1"),
        ("corpus.jsonl", '{"id": "a"}\n', "“text” is missing"),
        ("corpus.jsonl", '{"id": "a", "text": "x", "acl": "all"}\n', "“acl” must be a list"),
        ("corpus.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "same id"),
        ("queries.jsonl", '{"id": "1"}\n', "queries.jsonl, line 1"),
        ("qrels.tsv", "1 a 1\n", "qrels.tsv, line 1"),
    ],
)
def test_a_malformed_suite_is_refused_with_file_and_line(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    write_suite(tmp_path, **{name: text})
    with pytest.raises(SuiteError, match=sentence):
        read_suite(tmp_path)


@pytest.mark.slow
def test_the_command_measures_a_suite_and_counts_no_leak(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "evaluate", str(write_suite(tmp_path)), "--json"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["queries"] == 3
    assert figures["ndcg@10"] == figures["recall@2"] == 1.0
    assert figures["answer@1"] == 1.0
    assert figures["chunks"] == 3
    assert figures["leaks"] == 0
    assert set(figures["latency_ms"]) == {"p50", "p95"}


@pytest.mark.slow
def test_a_folder_that_is_no_suite_is_refused_with_a_sentence(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "evaluate", str(tmp_path / "nowhere")],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "There is no folder" in result.stderr
