"""The reader: it finds the sentence that states an answer, and stands aside where it cannot be used."""

import hashlib
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytest_django import Settings
from safetensors.torch import load_file, save, save_file

from assistant.answering.reader import (
    ALIKE,
    WEIGHTS,
    WEIGHTS_SHA256,
    Page,
    Reader,
    ReaderUnavailable,
    pieces_of,
    read,
)
from benchmarks.reader_model import library_reading
from ingestion.splitting import split_sentences

PARKING = (
    "Halden's head office stands beside the river. Visitors park behind the building, where twelve places are marked. "
    "The gate is closed at ten in the evening. Bicycles are kept in the cellar."
)
LUNCH = "The canteen was painted in spring. Lunch is served from noon until two. Cakes are baked on Fridays."


def page(text: str, above: str = "Handbook") -> Page:
    return Page(above, text, tuple((span.start, span.end) for span in split_sentences(text)))


@pytest.mark.slow
def test_reading_loads_no_torch() -> None:
    code = (
        "import django, sys; django.setup(); import config.urls, assistant.tasks, ingestion.tasks, assistant.answering.extractive; "
        "from assistant.answering.reader import Page, Reader; Reader().read('Who?', [Page('', 'She did.', ((0, 8),))]); "
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_piece_of_a_page_belongs_to_the_sentence_it_stands_in() -> None:
    whole = page(PARKING)
    pieces = pieces_of("Where do visitors park?", whole)
    assert len(pieces.ids) == len(pieces.sentence_of) == len(pieces.starts)
    for number, start in zip(pieces.sentence_of, pieces.starts, strict=True):
        if number >= 0:
            begin, end = whole.sentences[number]
            assert begin <= start < end
    assert set(pieces.sentence_of) == {-1, 0, 1, 2, 3}
    assert set(pieces.sentence_of[: pieces.begins]) == {-1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text", "number"),
    [
        ("Where do visitors park?", PARKING, 1),
        ("When is the gate closed?", PARKING, 2),
        ("Where are bicycles kept?", PARKING, 3),
        ("When is lunch served?", LUNCH, 1),
        ("On which day are cakes baked?", LUNCH, 2),
    ],
)
def test_the_sentence_that_states_the_answer_comes_first(question: str, text: str, number: int) -> None:
    (reading,) = Reader().read(question, [page(text)])
    assert max(range(len(reading)), key=reading.__getitem__) == number


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_engine_reads_what_the_library_reads(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.answering.reader.engines_for_many", lambda: (engine,))
    learned = load_file(WEIGHTS)
    reader = Reader()
    for question in ("Where do visitors park?", "When is lunch served?", "Who was king?"):
        for whole in (
            page(PARKING),
            page(LUNCH),
            page(PARKING * 4),
            page("| Floor | Team |\n| 3 | Support |"),
        ):
            expected = library_reading(learned, question, whole)
            assert reader.read(question, [whole])[0] == pytest.approx(expected, abs=ALIKE)


@pytest.mark.slow
def test_an_engine_that_reads_otherwise_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # What the library made of the probe is kept beside the weights: here it was something else.
    altered = tmp_path / "reader.safetensors"
    learned = load_file(WEIGHTS)
    save_file(learned | {"probe": learned["probe"] + 2.0}, altered)
    reader = Reader(altered, hashlib.sha256(altered.read_bytes()).hexdigest())
    reader.prepare()
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(ReaderUnavailable, match="No engine runs the reader on this machine"),
    ):
        reader.read("Where do visitors park?", [page(PARKING)])
    assert len([r for r in caplog.records if "says something else on" in r.message]) == 2


@pytest.mark.slow
def test_a_page_that_states_the_answer_is_surer_than_one_that_does_not() -> None:
    parking, lunch = Reader().read("When is lunch served?", [page(PARKING), page(LUNCH)])
    assert max(lunch) > max(parking) + 1


@pytest.mark.slow
def test_readings_do_not_depend_on_what_else_is_read() -> None:
    reader = Reader()
    pages = [page(PARKING), page(LUNCH), page("Short.")]
    together = reader.read("Where do visitors park?", pages)
    turned = reader.read("Where do visitors park?", pages[::-1])[::-1]
    alone = [reader.read("Where do visitors park?", [each])[0] for each in pages]
    for one, two, three in zip(together, turned, alone, strict=True):
        # Where pages share a pass products are rounded differently; bfloat16 keeps three digits.
        assert one == pytest.approx(two, abs=0.25)
        assert one == pytest.approx(three, abs=0.25)


@pytest.mark.slow
def test_what_lies_beyond_the_longest_page_is_not_read_and_nothing_fails() -> None:
    long = page(PARKING * 30)
    (reading,) = Reader().read("Where do visitors park? " * 50, [long])
    assert len(reading) == len(long.sentences)
    assert reading[-1] == min(reading)
    assert Reader().read("Where do visitors park?", []) == []


def test_turned_off_it_stands_aside(settings: Settings) -> None:
    settings.READER = "off"
    assert read("Where do visitors park?", [page(PARKING)]) is None


@pytest.mark.slow
def test_weights_of_ones_own_are_read_in_place_of_the_products(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    learned = load_file(WEIGHTS)
    # The same reader, but one that finds everything stated a little less.
    save_file(learned | {"constant": learned["constant"] + 1, "probe": learned["probe"] - 1}, own)
    question, pages = "Where do visitors park?", [page(PARKING)]
    (shipped,) = Reader().read(question, pages)
    settings.READER = str(own)
    read_own = read(question, pages)
    assert read_own is not None
    assert read_own[0] == pytest.approx([odds - 1 for odds in shipped], abs=0.01)


def test_a_file_without_a_readers_weights_is_told_and_answers_go_on_without(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, content in enumerate((b"no weights at all", save({"other": torch.zeros(3)}))):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(content)
        settings.READER = str(file)
        with caplog.at_level(logging.WARNING):
            assert read("Where do visitors park?", [page(PARKING)]) is None
        assert f"{file} holds no reader's weights" in caplog.text


def test_with_another_embedding_model_it_stands_aside(settings: Settings) -> None:
    settings.READER = "on"
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    assert read("Where do visitors park?", [page(PARKING)]) is None


def test_broken_weights_are_refused_with_a_sentence_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Path(shutil.copy(WEIGHTS, tmp_path / "reader.safetensors"))
    broken.write_bytes(broken.read_bytes()[:-2] + b"!!")
    reader = Reader(broken, WEIGHTS_SHA256)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(ReaderUnavailable, match="not the expected ones: their SHA-256 is"):
                reader.read("Where do visitors park?", [page(PARKING)])
    assert len([r for r in caplog.records if "not the expected ones" in r.message]) == 1


def test_missing_weights_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReaderUnavailable, match=r"cannot be read from .*: No such file"):
        Reader(tmp_path / "none", WEIGHTS_SHA256).read("Where do visitors park?", [page(PARKING)])
