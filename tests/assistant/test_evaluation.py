"""Evaluation: suites read and checked, and a small one measured through the command, access rules included."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Membership, User
from accounts.viewer import viewer_of
from assistant.evaluation.asking import Asked, Asking, ask_all, documents_in, leaks_of, questions_of
from assistant.evaluation.figures import figures_of
from assistant.evaluation.keeping import DATA, MARKER, Marker, prepare, read, write
from assistant.evaluation.storing import ingest, make_readers, readable_in
from assistant.evaluation.telling import text_of
from assistant.evaluation.variants import ablation, table_of, variants_of
from assistant.suites import Suite, SuiteError, SuiteQuery, read_suite
from ingestion.models import Chunk, Document
from retrieval.options import CHOICES, Options
from retrieval.types import Candidate, Gated, Step, Withheld
from tests.assistant.asking import index_of_its_own

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name

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


def said(line: str) -> None:
    """Nobody listens."""


def measured_suite(folder: Path) -> Suite:
    """Return a small suite, ingested into this installation."""
    suite = read_suite(write_suite(folder))
    ingest(suite, said)
    return suite


def as_asked(**differs: object) -> Asked:
    query = SuiteQuery("1", "How much?", "", (), (), ())
    usual: dict[str, object] = {
        "query": query, "reader": "", "ranking": ("a",), "leaks": {}, "milliseconds": 1.0, "stages": {"plan": 1.0},
    }  # fmt: skip
    return Asked(**{**usual, **differs})  # type: ignore[arg-type]  # each test gives what it is about


# --- How a suite is asked -----------------------------------------------------------------------------------------


@pytest.fixture
def turns(tmp_path: Path) -> Suite:
    history = '[{"speaker": "user", "text": "Tell me of hotels"}, {"speaker": "agent", "text": "Gladly"}]'
    lines = (
        '{"id": "1", "text": "How much may a hotel cost?", "type": "first"}\n'
        f'{{"id": "2", "text": "And a night?", "history": {history}, "standalone": "What may a hotel night cost?"}}\n'
        f'{{"id": "3", "text": "Where?", "history": {history}}}\n'
    )
    return read_suite(write_suite(tmp_path, **{"queries.jsonl": lines, "qrels.tsv": "1\ta\t1\n2\ta\t1\n"}))


def test_history_is_given_taken_away_or_replaced_by_the_human_rewrite(turns: Suite) -> None:
    assert [len(query.history) for query in questions_of(turns, "on")] == [0, 1, 1]
    assert [len(query.history) for query in questions_of(turns, "off")] == [0, 0, 0]
    (rewritten,) = questions_of(turns, "standalone")
    assert (rewritten.id, rewritten.text, rewritten.history) == ("2", "What may a hotel night cost?", ())


def test_the_figures_say_how_many_questions_had_a_history_and_how_each_turn_fared(turns: Suite) -> None:
    asked = [as_asked(query=query) for query in turns.queries]
    figures = figures_of(turns, Asking(extracts=False), asked)
    assert figures["history"] == {"mode": "on", "with_history": 2, "with_standalone": 1}
    counts = {name: (group["asked"], group["judged"]) for name, group in figures["by_turn"].items()}
    assert counts == {"first turn": (1, 1), "follow-up": (2, 1), "with a human rewrite": (1, 1)}
    assert "2 questions of the suite have a history" in text_of({**figures, "chunks": 3})


def test_a_suite_is_measured_as_a_whole_and_by_type(tmp_path: Path) -> None:
    lines = "".join(
        f'{{"id": "{number}", "text": "Q", "type": "{kind}"}}\n'
        for number, kind in enumerate(["easy", "easy", "hard", ""], start=1)
    )
    grades = "1\ta\t1\n2\ta\t1\n3\ta\t1\n"
    suite = read_suite(write_suite(tmp_path, **{"queries.jsonl": lines, "qrels.tsv": grades}))
    rankings = [("a",), ("a",), ("x",), ("x",)]
    asked = [as_asked(query=q, ranking=r) for q, r in zip(suite.queries, rankings, strict=True)]
    figures = figures_of(suite, Asking(extracts=False), asked)
    assert figures["recall@10"] == figures["all@10"] == pytest.approx(2 / 3, abs=1e-4)
    by_type = {k: (v["asked"], v["judged"], v["recall@5"]) for k, v in figures["by_type"].items()}
    assert by_type == {"easy": (2, 2, 1.0), "hard": (1, 1, 0.0), "no type": (1, 0, 0.0)}


def test_what_a_reader_may_not_read_is_not_missed_when_it_is_not_found(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path, **{"qrels.tsv": "1\ta\t1\n1\tb\t1\n"}))
    question = suite.queries[0]
    as_staff = as_asked(query=question, reader="staff", ranking=("a",))
    as_lead = as_asked(query=question, reader="leads", ranking=("a",))
    assert figures_of(suite, Asking(), [as_staff])["all@10"] == 1.0
    assert figures_of(suite, Asking(), [as_lead])["all@10"] == 0.0


def test_refusing_is_held_against_every_type_that_begins_with_unanswerable(tmp_path: Path) -> None:
    kinds = ["answerable", "answerable", "unanswerable", "unanswerable_by_date"]
    lines = "".join(f'{{"id": "{n}", "text": "Q", "type": "{kind}"}}\n' for n, kind in enumerate(kinds))
    suite = read_suite(write_suite(tmp_path, **{"queries.jsonl": lines, "qrels.tsv": "0\ta\t1\n1\ta\t1\n"}))
    outcomes = [(False, 0.9), (True, 0.4), (True, 0.1), (False, 0.5)]
    asked = [
        as_asked(query=query, refused=refused, stated=stated)
        for query, (refused, stated) in zip(suite.queries, outcomes, strict=True)
    ]
    refusal = figures_of(suite, Asking(), asked)["refusal"]
    assert refusal == {
        "answerable": 2, "unanswerable": 2, "asked_back": 0, "precision": 0.5, "recall": 0.5, "auc": 0.75,
    }  # fmt: skip


# --- Leaks --------------------------------------------------------------------------------------------------------


def test_a_document_that_any_stage_lets_out_is_a_leak_and_one_kept_back_is_none() -> None:
    candidate = Candidate(chunk=7, document=2, dense=None, keyword=1.0, fused=0.5)
    gated = Gated(passages=(), withheld=(Withheld(7, 3, "not_permitted"),))
    steps = [Step("search", (candidate,)), Step("gate", gated), Step("bridge", {"found": [candidate]})]
    assert leaks_of(steps, {1}) == {"search": 1, "bridge": 1}
    assert leaks_of(steps, {1, 2}) == {}
    assert set(documents_in(gated)) == set()


def test_leaks_are_named_by_stage_in_the_figures(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path))
    figures = figures_of(suite, Asking(), [as_asked(leaks={"gate": 2}), as_asked(leaks={"bridge": 1})])
    assert (figures["leaks"], figures["leaks_by_stage"]) == (3, {"bridge": 1, "gate": 2})
    assert "3 documents the reader may not read (1 in bridge, 2 in gate)" in text_of({**figures, "chunks": 3})


def test_the_product_s_own_stages_are_watched(
    db: None, index_of_its_own: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = measured_suite(tmp_path)
    assert [a.leaks for a in ask_all(suite, Asking(), said)] == [{}, {}, {}]
    # Told that staff may read nothing at all, everything they are shown is a leak, at every stage that shows it.
    monkeypatch.setattr("assistant.evaluation.asking.readable_in", lambda suite: {})
    leaks = ask_all(suite, Asking(), said)[0].leaks
    assert {"search", "gate", "rerank"} <= set(leaks)


# --- Ablation -----------------------------------------------------------------------------------------------------


def test_every_option_is_varied_once_and_what_lacks_its_model_is_left_out(settings: Settings) -> None:
    variants = list(variants_of(Options()))
    assert variants[0].name == "standard"
    names = [variant.name for variant in variants[1:]]
    assert {name.split("=")[0] for name in names} == set(CHOICES)
    assert len(set(names)) == len(names)
    assert all(str(variant.options) == variant.name for variant in variants[1:])
    with_a_model = {"planning=model", "reranking=judge", "reranking=cross-encoder"}
    assert not with_a_model & set(names)
    settings.MODEL_URL, settings.RERANK_MODEL = "http://127.0.0.1:1/v1", "a-cross-encoder"
    assert with_a_model <= {variant.name for variant in variants_of(Options())}


def test_ablation_starts_from_the_options_that_are_standard_here() -> None:
    variants = list(variants_of(Options(fusion="rrf")))
    assert "fusion=shares" in [variant.name for variant in variants]
    assert all(v.options.fusion == "rrf" for v in variants if not v.name.startswith("fusion"))


def test_ablation_measures_each_variant_over_one_ingest_and_says_the_difference(
    db: None, index_of_its_own: None, tmp_path: Path
) -> None:
    suite = measured_suite(tmp_path)
    chunks = Chunk.objects.count()
    rows = ablation(suite, Asking(), ask_all(suite, Asking(), said), said)
    assert [row["variant"] for row in rows] == [v.name for v in variants_of(Options())]
    assert set(rows[0]["difference"].values()) == {0.0}
    assert all(row["leaks"] == 0 for row in rows)
    assert Chunk.objects.count() == chunks
    table = table_of(rows).splitlines()
    assert len(table) == len(rows) + 2
    assert table[0].count("|") == table[2].count("|") == table[3].count("|")


# --- A kept suite -------------------------------------------------------------------------------------------------


def test_a_new_folder_is_prepared_and_used_again_once_it_is_complete(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    suite, folder = write_suite(tmp_path / "suite"), tmp_path / "kept"
    assert prepare(folder, suite) == folder / DATA
    with pytest.raises(SuiteError, match="cut off before it was finished"):
        prepare(folder, suite)
    write(folder, Marker(**{**read(folder).__dict__, "is_complete": True}))
    assert prepare(folder, suite) == folder / DATA


def test_a_folder_that_keeps_another_corpus_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    suite, folder = write_suite(tmp_path / "suite"), tmp_path / "kept"
    prepare(folder, suite)
    before = (folder / MARKER).read_text()
    write_suite(suite, **{"corpus.jsonl": '{"id": "a", "text": "Other words."}\n'})
    with pytest.raises(SuiteError, match="keeps another corpus"):
        prepare(folder, suite)
    assert (folder / MARKER).read_text() == before


@pytest.mark.parametrize("held", ["letter.txt", MARKER])
def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, held: str) -> None:
    (tmp_path / "suite").mkdir()
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / held).write_text('{"mine": true}')
    with pytest.raises(SuiteError, match="holds something else"):
        prepare(folder, write_suite(tmp_path / "suite"))
    assert [path.name for path in folder.iterdir()] == [held]


def test_readers_that_only_later_questions_name_are_made_then(
    db: None, index_of_its_own: None, tmp_path: Path
) -> None:
    suite = measured_suite(tmp_path)
    documents, people = Document.objects.count(), Membership.objects.count()
    make_readers(suite)
    assert (Document.objects.count(), Membership.objects.count()) == (documents, people)
    later = '{"id": "9", "text": "What is the bonus pool?", "readers": ["board"]}\n'
    make_readers(read_suite(write_suite(tmp_path, **{"queries.jsonl": later})))
    board = viewer_of(User.objects.get(email="board@suite.example"))
    assert set(Document.objects.visible_to(board).values_list("external_id", flat=True)) == {"a"}


def test_the_database_lets_readers_read_what_the_suite_says_they_may(
    db: None, index_of_its_own: None, tmp_path: Path
) -> None:
    suite = measured_suite(tmp_path)
    for reader, expected in readable_in(suite).items():
        viewer = viewer_of(User.objects.get(email=f"{reader or 'everybody'}@suite.example"))
        found = Document.objects.visible_to(viewer).values_list("external_id", flat=True)
        assert set(found) == expected
    assert readable_in(suite) == {"": {"a", "b"}, "staff": {"a"}, "leads": {"a", "b"}}


# --- The command --------------------------------------------------------------------------------------------------


def evaluate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "evaluate", *arguments],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_measures_a_suite_keeps_it_and_counts_no_leak(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    suite, kept = write_suite(tmp_path / "suite"), tmp_path / "kept"
    first = evaluate(str(suite), "--json", "--keep", str(kept), "--options", "fusion=rrf")
    assert first.returncode == 0, first.stderr
    figures = json.loads(first.stdout)
    assert (figures["queries"], figures["asked"], figures["judged"]) == (3, 3, 2)
    assert figures["ndcg@10"] == figures["recall@2"] == figures["all@10"] == 1.0
    assert figures["answer@1"] == 1.0
    assert figures["chunks"] == 3
    assert figures["leaks"] == 0
    assert figures["options"] == "fusion=rrf"
    assert set(figures["latency_ms"]) == {"p50", "p95"}
    again = evaluate(str(suite), "--keep", str(kept), "--ablation")
    assert again.returncode == 0, again.stderr
    assert f"3 chunks of 3 documents are kept in {kept}" in again.stderr
    assert "| bridge=off |" in again.stdout
    assert "Leaks: 0, at any stage." in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "There is no folder"),
        (["--options", "fusion=best"], "“fusion” takes"),
        (["--keep", "."], "holds something else|cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_sentence(
    tmp_path: Path, options: list[str], sentence: str
) -> None:
    result = evaluate(str(tmp_path / "nowhere"), *options)
    assert result.returncode != 0
    assert re.search(sentence, result.stderr)
    assert "Traceback" not in result.stderr
