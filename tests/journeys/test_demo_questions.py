"""The demo organisation's questions, asked as its people: the right sources, and nothing anybody may not read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

Row = dict[str, Any]  # Any: JSON


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("demo")
    result = subprocess.run(
        [sys.executable, "-m", "tests.journeys.demo_answers", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_there_are_at_least_twenty_questions(rows: list[Row]) -> None:
    assert len(rows) >= 20


def test_every_expected_source_is_cited_or_among_the_first_five(rows: list[Row]) -> None:
    missed = {
        row["id"]: [
            path for path in row["expect"] if path not in row["cited"] and path not in row["ranked"][:5]
        ]
        for row in rows
    }
    assert {key: paths for key, paths in missed.items() if paths} == {}


def test_nothing_anybody_may_not_read_is_ranked_or_cited(rows: list[Row]) -> None:
    for row in rows:
        assert set(row["ranked"]) <= set(row["readable"]), row["id"]
        assert set(row["cited"]) <= set(row["readable"]), row["id"]


def test_what_only_a_hidden_document_says_is_never_said(rows: list[Row]) -> None:
    denied = [row for row in rows if row["type"] == "denied"]
    assert len(denied) >= 3
    for row in denied:
        assert not set(row["hidden"]) & set(row["readable"]), row["id"]
        for secret in row["must_not_say"]:
            assert secret not in row["words"], row["id"]


def test_questions_with_an_answer_are_answered_from_an_expected_source(rows: list[Row]) -> None:
    answerable = [row for row in rows if row["expect"]]
    answered = [
        row for row in answerable if row["outcome"] == "answered" and set(row["expect"]) & set(row["cited"])
    ]
    assert len(answered) >= 0.95 * len(answerable), [row["id"] for row in answerable if row not in answered]


def test_the_stated_words_stand_in_most_answers(rows: list[Row]) -> None:
    stated = [row for row in rows if row.get("contains")]
    found = [row for row in stated if " ".join(row["contains"].split()) in " ".join(row["words"].split())]
    assert len(found) >= 0.7 * len(stated), [row["id"] for row in stated if row not in found]


def test_most_questions_without_an_answer_are_refused(rows: list[Row]) -> None:
    empty = [row for row in rows if row["type"] in {"refusal", "denied"}]
    refused = [row for row in empty if row["outcome"] == "refused"]
    assert len(refused) >= 0.7 * len(empty), [row["id"] for row in empty if row not in refused]
