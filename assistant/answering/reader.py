"""A small model that reads a question and a passage together and says which sentence states the answer, if one does.

It is the packaged embedding model with few changes learned on top: deltas of low rank to its matrices, and two heads
(`reader.safetensors`, made by `benchmarks/train_reader.py`; docs/decisions/0011). Optional: without it sentences are
scored by their features alone. It goes through the engines that passages are embedded by, and loads no torch.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from assistant.answering.sentences import Sentence
from ingestion.forward import (
    Engine,
    Vectors,
    config_of,
    engine_over,
    engines_for_many,
    in_batches,
    tokenizer_of,
    weights_in,
)
from ingestion.passes import normalised
from ingestion.tokens import word_pieces
from ingestion.weights import BUNDLED_MODEL, model_folder
from retrieval.types import Ranked

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).with_name("reader.safetensors")
WEIGHTS_SHA256 = "b2c7b3238da6ea94f28559a6a9e263cc908d4dd84388260350e3d234a3822280"
ADAPTED = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""The matrices of each layer that deltas are added to."""
HEADS = ("likeness", "sentence", "piece", "nothing", "constant")
QUESTION_PIECES = 64
PIECES = 384
"""Longest question, and longest question with passage, in word pieces. What stands beyond is not read."""
START, END = 101, 102
"""What this model expects before a text, and after each of its two parts."""
MOST = 12.0
"""Log odds beyond this say no more."""

PROBE = "When is the gate closed?"
ALIKE = 0.75
"""How far a quick engine's log odds for PROBED may lie from the library's in float32, which are kept beside the weights."""


class ReaderUnavailable(RuntimeError):
    """The learned weights cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Page:
    """A passage to be read: title and headings, the text, and where in the text each sentence lies."""

    above: str
    text: str
    sentences: tuple[tuple[int, int], ...]


PROBED = Page(
    "Handbook",
    "Visitors park behind the building. The gate is closed at ten in the evening. Bicycles are kept in the cellar.",
    ((0, 35), (35, 77), (77, 109)),
)

Reading = tuple[float, ...]
"""For each sentence of a page the log odds that it states the answer, against that nothing on the page does."""
Read = Callable[[str, Sequence[Page]], Sequence[Reading] | None]
"""Something that reads pages; None where there is no reader."""


@dataclass(frozen=True)
class Pieces:
    """A question and a page as the model takes them: ids, and where the page begins among them.

    Of each piece the sentence it belongs to, and where it begins in the page's text; -1 where it stands elsewhere.
    """

    ids: tuple[int, ...]
    begins: int
    sentence_of: tuple[int, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    engine: Engine
    learned: Mapping[str, Vectors]


def read(question: str, pages: Sequence[Page]) -> Sequence[Reading] | None:
    """Return a reading for each page; None where the reader is turned off, or stands aside.

    It stands aside where another embedding model is configured than the one it was learned on, and where its weights
    cannot be used, which is logged.
    """
    reader = _wanted()
    if reader is None:
        return None
    try:
        return reader.read(question, pages)
    except ReaderUnavailable:
        return None  # told in the log when it was found out


def prepare() -> None:
    """Read the weights where they will be used. Raises ingestion.weights.EmbeddingUnavailable without the packaged model."""
    reader = _wanted()
    if reader is not None:
        with suppress(ReaderUnavailable):  # as above
            reader.prepare()


def _wanted() -> Reader | None:
    if settings.READER == "off" or settings.EMBEDDING_MODEL != BUNDLED_MODEL:
        return None
    return _reader(settings.READER)


@lru_cache(maxsize=8)
def _reader(which: str) -> Reader:
    """Return this process's reader: the one that comes with the product, or one with weights in a file."""
    return Reader() if which == "on" else Reader(Path(which), sha256="")


def readings_of(
    question: str, sentences: Sequence[Sentence], ranked: Sequence[Ranked], reader: Read, most: int
) -> dict[tuple[int, int], float] | None:
    """Return what a reader says to the sentences of the best passages, `most` at most, by the sentences' places.

    None where it stands aside.
    """
    of_passage: dict[int, list[Sentence]] = {}
    for sentence in sentences:
        of_passage.setdefault(sentence.passage_number, []).append(sentence)
    best = sorted(of_passage)[:most]  # passages are numbered by rank
    pages = []
    for number in best:
        passage = ranked[number].passage
        above = " > ".join(dict.fromkeys((passage.title, *passage.headings)))
        spans = tuple((s.start - passage.start, s.end - passage.start) for s in of_passage[number])
        pages.append(Page(above, passage.text, spans))
    readings = reader(question, pages)
    if readings is None:
        return None
    return {
        sentence.place: odds
        for number, reading in zip(best, readings, strict=True)
        for sentence, odds in zip(of_passage[number], reading, strict=True)
    }


class Reader:
    """Reads pages. Safe to share between threads; the weights are loaded at the first use."""

    def __init__(self, weights: Path = WEIGHTS, sha256: str = WEIGHTS_SHA256) -> None:
        """Name the file with the learned weights, and the digest it must have; an empty one, and it may have any."""
        self._weights = weights
        self._sha256 = sha256
        self._lock = threading.Lock()
        self._made: _Loaded | None = None
        self._checked: _Loaded | None = None
        self._refused = ""

    def prepare(self) -> None:
        """Read the weights, which starts no thread: processes may be forked from here on. Raises as `read` does."""
        self._of(is_checked=False)

    def read(self, question: str, pages: Sequence[Page]) -> list[Reading]:
        """Return a reading for each page, in their order.

        Raises ReaderUnavailable when the learned weights are missing or altered, or no engine runs them as they should,
        ingestion.weights.EmbeddingUnavailable when the packaged model is.
        """
        return _read(self._of(is_checked=True), question, pages) if pages else []

    def _of(self, *, is_checked: bool) -> _Loaded:
        """Return what reads: as it was read from the disk, or held against what it must say."""
        ready = self._checked or (None if is_checked else self._made)
        if ready is not None:
            return ready
        with self._lock:
            if self._refused:
                raise ReaderUnavailable(self._refused)
            try:
                self._made = self._made or _first(self._weights, self._sha256, engines_for_many())
                if is_checked and self._checked is None:
                    self._made = self._checked = _held(self._made, self._weights, self._sha256)
            except ReaderUnavailable as error:
                self._refused = str(error)
                log.warning("%s Until then sentences are scored without it.", error)
                raise
            return self._made


def pieces_of(question: str, page: Page) -> Pieces:
    """Return a question and a page cut into word pieces, shortened to what the model reads."""
    asked = word_pieces(question)[0][:QUESTION_PIECES]
    above = f"{page.above}\n" if page.above else ""
    ids, found = word_pieces(above + page.text)
    starts = [max(-1, start - len(above)) for start in found]
    places = []
    number = 0
    for start in starts:
        while number < len(page.sentences) and page.sentences[number][1] <= start:
            number += 1
        is_inside = number < len(page.sentences) and page.sentences[number][0] <= start
        places.append(number if is_inside else -1)
    begins = len(asked) + 2
    room = PIECES - begins - 1
    before = (-1,) * begins
    return Pieces(
        ids=(START, *asked, END, *ids[:room], END),
        begins=begins,
        sentence_of=(*before, *places[:room], -1),
        starts=(*before, *starts[:room], -1),
    )


def _read(loaded: _Loaded, question: str, pages: Sequence[Page]) -> list[Reading]:
    rows = [pieces_of(question, page) for page in pages]
    readings: list[Reading] = [()] * len(rows)

    def use(place: int, vectors: Vectors) -> None:
        odds = log_odds(loaded.learned, vectors, rows[place])
        count = len(pages[place].sentences)
        readings[place] = (*odds, *[-MOST] * count)[:count]

    in_batches(loaded.engine, [row.ids for row in rows], use)
    return readings


def log_odds(heads: Mapping[str, Vectors], vectors: Vectors, row: Pieces) -> list[float]:
    """Return for each sentence that was read how much more it looks like the answer than the page looks as if it had none.

    `vectors` are those of the row's pieces, shape (pieces, dimensions). A sentence's vector is the mean of its pieces', read
    in the light of the question and of the passage. It speaks by its likeness to the question's vector, by a direction
    of its own, and by its piece that looks most like an answer.
    """
    places = np.asarray(row.sentence_of)
    is_of = places[None, :] == np.arange(places.max() + 1)[:, None]
    sizes = is_of.sum(axis=1)
    asked = normalised(vectors[1 : row.begins].sum(axis=0))
    sentences = normalised(is_of.astype(np.float32) @ vectors / np.maximum(sizes, 1)[:, None])
    says = (
        heads["likeness"] * (sentences @ asked)
        + sentences @ heads["sentence"]
        + np.where(is_of, vectors @ heads["piece"], -np.inf).max(axis=1)
    )
    nothing = normalised(vectors[0]) @ heads["nothing"] + heads["constant"]
    odds: list[float] = np.clip(says - nothing, -MOST, MOST).tolist()
    return odds


def _first(weights: Path, sha256: str, engines: Sequence[str]) -> _Loaded:
    """Return the learned model on the first of these engines that takes it."""
    learned = _learned(weights, sha256)
    folder = model_folder()
    held, config, tokenizer = weights_in(folder), config_of(folder), tokenizer_of(folder)
    for number in range(1 + max(int(name.split(".")[0]) for name in learned if name[0].isdigit())):
        for name in ADAPTED:
            delta = learned[f"{number}.{name}.up"] @ learned[f"{number}.{name}.down"]
            held[f"encoder.layer.{number}.{name}.weight"] += delta
    problem = ""
    for name in engines:
        try:
            engine = engine_over(held, config, tokenizer, name)
            return _Loaded(name, engine, {of: learned[of] for of in (*HEADS, "probe")})
        except RuntimeError as error:
            problem = f": {error}"
    raise ReaderUnavailable(f"No engine runs the reader on this machine{problem}.")


def _held(made: _Loaded, weights: Path, sha256: str) -> _Loaded:
    """Return the learned model on an engine that reads as the library does, by preference the one given."""
    engines = engines_for_many()
    while True:
        try:
            off = float(np.abs(np.subtract(_read(made, PROBE, [PROBED])[0], made.learned["probe"])).max())
            if off <= ALIKE:
                return made
            log.warning("The reader says something else on %s here (by %.1f).", made.name, off)
        except RuntimeError as error:
            log.warning("The reader does not run on %s here: %s.", made.name, error)
        made = _first(weights, sha256, engines[engines.index(made.name) + 1 :])


def _learned(weights: Path, sha256: str) -> dict[str, Vectors]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = weights.read_bytes()
    except OSError as error:
        raise ReaderUnavailable(
            f"The reader's weights cannot be read from {weights}: {error.strerror}. Check the installation out again."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise ReaderUnavailable(
            f"The reader's weights in {weights} are not the expected ones: their SHA-256 is {found}, not {sha256}. "
            "Check the installation out again."
        )
    try:
        learned = {name: tensor.astype(np.float32) for name, tensor in load(content).items()}
    except SafetensorError as error:
        learned = {}
        log.debug("%s: %s", weights, error)
    if not learned.keys() >= {"probe", *HEADS}:
        raise ReaderUnavailable(
            f"{weights} holds no reader's weights as benchmarks/train_reader.py writes them."
        )
    return learned
