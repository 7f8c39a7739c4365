"""A small model that reads a question and a passage together and says which sentence states the answer, if one does.

It is the packaged embedding model with few changes learned on top: deltas of low rank to its matrices, and two heads
(`reader.safetensors`, made by `benchmarks/train_reader.py`; docs/decisions/0011). Optional: without it sentences are
scored by their features alone. Importing this module loads no torch.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from assistant.answering.sentences import Sentence
from ingestion.chunking import word_pieces
from ingestion.cores import has_native_bf16
from ingestion.weights import BUNDLED_MODEL, model_folder
from retrieval.types import Ranked

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).with_name("reader.safetensors")
WEIGHTS_SHA256 = "4984c3fccbb986b54db800475619829c3de013650645750b195a1ccd42ce25ea"
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


class ReaderUnavailable(RuntimeError):
    """The learned weights cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Page:
    """A passage to be read: title and headings, the text, and where in the text each sentence lies."""

    above: str
    text: str
    sentences: tuple[tuple[int, int], ...]


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
    model: nn.Module
    heads: Mapping[str, Tensor]


def read(question: str, pages: Sequence[Page]) -> Sequence[Reading] | None:
    """Return a reading for each page; None where the reader is turned off, or stands aside.

    It stands aside where another embedding model is configured than the one it was learned on, and where its weights
    cannot be used, which is logged.
    """
    if settings.READER == "off" or settings.EMBEDDING_MODEL != BUNDLED_MODEL:
        return None
    try:
        return _reader.read(question, pages)
    except ReaderUnavailable:
        return None  # told in the log when it was found out


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
        """Name the file with the learned weights, and the digest it must have."""
        self._weights = weights
        self._sha256 = sha256
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._refused = ""

    def read(self, question: str, pages: Sequence[Page]) -> list[Reading]:
        """Return a reading for each page, in their order.

        Raises ReaderUnavailable when the learned weights are missing or altered, ingestion.weights.EmbeddingUnavailable
        when the packaged model is.
        """
        loaded = self._load()
        if not pages:
            return []
        import torch

        rows = [pieces_of(question, page) for page in pages]
        with torch.inference_mode():
            hidden = loaded.model(**batch_of(rows)).last_hidden_state.float()
            says, nothing = log_odds(loaded.heads, hidden, rows)
            odds = (says - nothing[:, None]).clamp(-MOST, MOST).tolist()
        return [
            tuple((*odds[row], *[-MOST] * len(page.sentences))[: len(page.sentences)])
            for row, page in enumerate(pages)
        ]

    def _load(self) -> _Loaded:
        with self._lock:
            if self._refused:
                raise ReaderUnavailable(self._refused)
            if self._loaded is None:
                try:
                    self._loaded = _load(self._weights, self._sha256)
                except ReaderUnavailable as error:
                    self._refused = str(error)
                    log.warning("%s Until then sentences are scored without it.", error)
                    raise
            return self._loaded


_reader = Reader()


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


def batch_of(rows: Sequence[Pieces]) -> dict[str, Tensor]:
    """Return what the model takes for several rows, each filled up to the longest."""
    import torch

    ids = torch.zeros(len(rows), max(len(row.ids) for row in rows), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def log_odds(heads: Mapping[str, Tensor], hidden: Tensor, rows: Sequence[Pieces]) -> tuple[Tensor, Tensor]:
    """Return how much each row's sentences look like the answer, and how much each row looks as if it had none.

    A sentence's vector is the mean of its pieces', read in the light of the question and of the passage. It speaks by its
    likeness to the question's vector, by a direction of its own, and by its piece that looks most like an answer.
    """
    import torch
    from torch.nn.functional import normalize

    length = hidden.shape[1]
    asked = torch.zeros(len(rows), length)
    places = torch.full((len(rows), length), -1)
    for number, row in enumerate(rows):
        asked[number, 1 : row.begins] = 1
        places[number, : len(row.ids)] = torch.tensor(row.sentence_of)
    count = max(1, int(places.max()) + 1)
    is_of = places[:, None, :] == torch.arange(count)[None, :, None]
    sizes = is_of.sum(2)
    question = normalize((hidden * asked[:, :, None]).sum(1), dim=1)
    sentences = normalize(torch.bmm(is_of.float(), hidden) / sizes.clamp(min=1)[:, :, None], dim=2)
    pieces = hidden @ heads["piece"]
    says = (
        heads["likeness"] * (sentences @ question[:, :, None])[:, :, 0]
        + sentences @ heads["sentence"]
        + pieces[:, None, :].masked_fill(~is_of, -1e4).amax(2)
    )
    nothing = normalize(hidden[:, 0], dim=1) @ heads["nothing"] + heads["constant"]
    return says.masked_fill(sizes == 0, -1e4), nothing


def _load(weights: Path, sha256: str) -> _Loaded:
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise ReaderUnavailable(
            f"The reader's weights cannot be read from {weights}: {error.strerror}. Check the installation out again."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ReaderUnavailable(
            f"The reader's weights in {weights} are not the expected ones: their SHA-256 is {found}, not {sha256}. "
            "Check the installation out again."
        )
    folder = model_folder()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from safetensors.torch import load
    from transformers import BertModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    tensors = {name: tensor.float() for name, tensor in load(content).items()}
    model = BertModel.from_pretrained(str(folder), add_pooling_layer=False, local_files_only=True).eval()
    with torch.no_grad():
        for number, layer in enumerate(model.encoder.layer):
            for name in ADAPTED:
                up, down = tensors[f"{number}.{name}.up"], tensors[f"{number}.{name}.down"]
                layer.get_submodule(name).weight += up @ down
    if has_native_bf16():
        model.to(torch.bfloat16)
    return _Loaded(model, {name: tensors[name] for name in HEADS})
