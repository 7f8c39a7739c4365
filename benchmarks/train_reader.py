"""Learn the reader's weights: `python -m benchmarks.train_reader SUITE_FOLDER [FILE] [--without ARTICLE …]`.

SUITE_FOLDER is squad2's: `corpus.jsonl`, and `train.jsonl` with questions of which `queries.jsonl` holds none. Articles kept
out, with their questions, are measured on. One thread, a quarter of an hour where the processor multiplies bfloat16; the
same seed gives the same examples in the same order.
"""

import argparse
import json
import math
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django
import torch
from torch import Tensor, nn

django.setup()

from assistant.answering.reader import WEIGHTS, Page, Pieces, pieces_of  # noqa: E402
from benchmarks.reader_model import Model, write  # noqa: E402
from ingestion.chunking import chunk_text  # noqa: E402
from ingestion.splitting import split_sentences  # noqa: E402
from ingestion.words import stems_of  # noqa: E402
from retrieval.metrics import area_under_curve  # noqa: E402

SEED = 7
EPOCHS = 3
RATE, RATE_OF_HEADS = 6e-4, 5e-3
BATCH_PIECES = 4_096
OTHERS = 0.25
"""Share of the questions that are also asked, in each epoch, of a passage that speaks of the same and does not answer."""
EXACTLY = 0.2
"""Weight of naming the answer's first piece, beside naming its sentence."""


@dataclass(frozen=True)
class Chunk:
    """A passage as the product would make it."""

    document: str
    page: Page
    stems: Counter[str]


@dataclass(frozen=True)
class Example:
    """A question with a passage. `answers`: the answer's sentences in it, `firsts`: its first pieces; both empty: none."""

    pieces: Pieces
    answers: frozenset[int]
    firsts: tuple[int, ...]


def chunks_of(suite: Path) -> dict[str, list[Chunk]]:
    """Return the passages of every document."""
    found = {}
    for row in _lines(suite / "corpus.jsonl"):
        texts = [row["text"][span.start : span.end] for span in chunk_text(row["text"])]
        found[row["id"]] = [
            Chunk(
                row["id"],
                Page(row["title"], text, tuple((s.start, s.end) for s in split_sentences(text))),
                Counter(stems_of(text)),
            )
            for text in texts
        ]
    return found


def example(question: str, chunk: Chunk, answers: Sequence[str]) -> Example:
    """Return a question with a passage; every place where one of the answers stands as whole words counts."""
    pieces = pieces_of(question, chunk.page)
    places = [place for answer in answers for place in _places(answer, chunk.page.text)]
    spans = chunk.page.sentences
    sentences = {n for n, (start, end) in enumerate(spans) for place in places if start <= place < end}
    firsts = []
    for place in places:
        before = [n for n, start in enumerate(pieces.starts) if 0 <= start <= place]
        firsts += before[-1:]
    return Example(pieces, frozenset(sentences), tuple(sorted(set(firsts))))


def _places(answer: str, text: str) -> Iterator[int]:
    low, answer = text.lower(), answer.lower().strip()
    place = low.find(answer) if answer else -1
    while place >= 0:
        end = place + len(answer)
        if not (place and low[place - 1].isalnum()) and not (end < len(low) and low[end].isalnum()):
            yield place
        place = low.find(answer, place + 1)


def examples_of(
    questions: Sequence[Any], chunks: dict[str, list[Chunk]]
) -> tuple[list[Example], list[Example]]:
    """Return each question with the passages it was written about, and with up to three of its article that speak of the
    same and hold none of its answers."""
    articles = defaultdict(list)
    holding: Counter[str] = Counter()
    for chunk in (chunk for found in chunks.values() for chunk in found):
        articles[_article(chunk.document)].append(chunk)
        holding.update(chunk.stems.keys())
    total = sum(map(len, articles.values()))
    own, others = [], []
    for row in questions:
        at = [example(row["text"], chunk, row["answers"]) for chunk in chunks[row["context_doc"]]]
        if row["answers"] and not any(entry.answers for entry in at):
            continue  # the answer runs over the end of a sentence or of a passage
        own += at
        rare = {stem: math.log(total / (1 + holding[stem])) for stem in stems_of(row["text"])}
        beside = [c for c in articles[_article(row["context_doc"])] if c.document != row["context_doc"]]
        beside.sort(key=lambda chunk: -sum(rare[stem] for stem in rare if stem in chunk.stems))
        near = [example(row["text"], chunk, row["answers"]) for chunk in beside[:6]]
        others += [entry for entry in near if not entry.answers][:3]
    return own, others


def loss_of(model: Model, batch: Sequence[Example]) -> Tensor:
    """Return how far the model is from naming the answer's sentence, or that there is none, and its first piece."""
    says, nothing, pieces = model([entry.pieces for entry in batch])
    right = torch.zeros_like(says, dtype=torch.bool)
    first = torch.zeros_like(pieces, dtype=torch.bool)
    inside = torch.zeros_like(first)
    for row, entry in enumerate(batch):
        right[row, list(entry.answers)] = True
        first[row, list(entry.firsts)] = True
        inside[row, : len(entry.pieces.ids)] = torch.tensor(entry.pieces.sentence_of) >= 0
    is_answered = right.any(1)
    everything = torch.logsumexp(torch.cat([nothing[:, None], says], 1), 1)
    wanted = torch.where(is_answered, torch.logsumexp(says.masked_fill(~right, -1e4), 1), nothing)
    of_all = torch.logsumexp(pieces.masked_fill(~inside, -1e4), 1)
    of_first = torch.logsumexp(pieces.masked_fill(~first, -1e4), 1)
    exactly = torch.where(first.any(1), of_all - of_first, 0.0)
    return (everything - wanted).mean() + EXACTLY * exactly.mean()


def batches(entries: list[Example], dice: random.Random) -> list[list[Example]]:
    """Return examples of like length together, in chance order, up to so many pieces with their padding."""
    dice.shuffle(entries)
    found: list[list[Example]] = []
    for begin in range(0, len(entries), 512):
        batch: list[Example] = []
        for entry in sorted(entries[begin : begin + 512], key=lambda entry: len(entry.pieces.ids)):
            if batch and (len(batch) + 1) * len(entry.pieces.ids) > BATCH_PIECES:
                found.append(batch)
                batch = []
            batch.append(entry)
        found.append(batch)
    dice.shuffle(found)
    return found


def measure(model: Model, questions: Sequence[Any], chunks: dict[str, list[Chunk]]) -> str:
    """Return how well the answer's sentence is found in its own paragraph, and told from there being none."""
    first = three = 0
    stated: list[float] = []
    unstated: list[float] = []
    for row in questions:
        at = [example(row["text"], chunk, row["answers"]) for chunk in chunks[row["context_doc"]]]
        if row["answers"] and not any(entry.answers for entry in at):
            continue
        with torch.no_grad():
            says, nothing, _ = model([entry.pieces for entry in at])
        scored = sorted(
            (-float(says[n, k] - nothing[n]), k in entry.answers)
            for n, entry in enumerate(at)
            for k in range(min(says.shape[1], 1 + max(entry.pieces.sentence_of)))
        )
        (stated if row["answers"] else unstated).append(-scored[0][0])
        first += scored[0][1]
        three += any(is_right for _, is_right in scored[:3])
    area = area_under_curve(stated, unstated)
    count = len(stated)
    return f"{count} answerable: first {first / count:.3f}, among three {three / count:.3f}, area under the curve {area:.3f}"


def learn(model: Model, own: list[Example], others: list[Example]) -> None:
    """Learn for so many epochs, faster and slower again; print a line a minute."""
    dice = random.Random(SEED)
    plan: list[list[Example]] = []
    for _ in range(EPOCHS):
        chosen = dice.sample(others, min(len(others), int(OTHERS * len(own))))
        plan += batches([*own, *chosen], dice)
    deltas = [value for name, value in model.base.named_parameters() if value.requires_grad]
    heads = list(model.heads.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": deltas, "top": RATE}, {"params": heads, "top": RATE_OF_HEADS}],
        weight_decay=0.01,
        betas=(0.9, 0.98),
    )
    begun = told = time.monotonic()
    losses: list[float] = []
    for number, batch in enumerate(plan, start=1):
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * min(1.0, number / (0.06 * len(plan)), 1.02 - number / len(plan))
        loss = loss_of(model, batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*deltas, *heads], 1.0)
        optimiser.step()
        losses.append(loss.item())
        if time.monotonic() - told > 60 or number == len(plan):
            told = time.monotonic()
            mean = sum(losses) / len(losses)
            print(f"{number} of {len(plan)} batches, {told - begun:.0f} s, loss {mean:.3f}", flush=True)
            losses.clear()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_reader")
    parser.add_argument("suite", type=Path, help="folder of squad2")
    parser.add_argument("file", type=Path, nargs="?", default=WEIGHTS, help="where the weights are written")
    parser.add_argument("--without", nargs="*", default=(), help="articles to keep out, and to measure on")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    chunks = chunks_of(given.suite)
    questions = list(_lines(given.suite / "train.jsonl"))
    kept_out = [row for row in questions if _article(row["context_doc"]) in given.without]
    learned = [row for row in questions if _article(row["context_doc"]) not in given.without]
    own, others = examples_of(learned, chunks)
    print(
        f"{len(own)} examples and {len(others)} of other passages; {len(kept_out)} questions kept out",
        flush=True,
    )
    model = Model()
    learn(model, own, others)
    if kept_out:
        print("after:", measure(model, kept_out, chunks), flush=True)
    write(model, given.file)


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def _article(document: str) -> str:
    return document.partition("#")[0]


if __name__ == "__main__":
    main()
