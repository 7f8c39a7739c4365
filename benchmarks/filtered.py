"""Is what a viewer finds under their rules what there is to be found? `python -m benchmarks.filtered [--chunks N] [--keep FOLDER]`.

100,000 chunks (see `benchmarks.synthetic`) go into the embedded index, and questions are asked by viewers who may read
1, 5, 50 and 100 of a hundred. What they may read is once spread over all subjects and once lies together by subject,
which is the harder case for a graph: most questions are then about something the viewer may not read. Printed is the
recall of the best 50 by meaning and by words against brute force over the same vectors (rounded to float16, as the
index keeps them) and the same BM25 weights with the viewer's own term statistics, and how many results lay outside
what the viewer may read. Ends with status 1 when a recall is below .99 or anything leaked.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.synthetic import Corpus, Seeds
    from ingestion.index.types import IndexFilter, IndexHit, VectorIndex

BEST = 50
QUESTIONS = 200
PARTS = 100  # rules, and sources, of a hundredth of the chunks each
VISIBLE = (1, 5, 50, 100)  # of a hundred
WANTED = 0.99
ROUNDING = 2e-4
"""Scores closer than this to the fiftieth best are as good as it: float16 keeps about three decimals of each number."""

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Held:
    """What is in the index, for brute force: vectors as stored, postings by term, and each chunk's rule and source.

    Row `n` is chunk `n + 1`. A chunk's rule says nothing of its subject; chunks of one subject lie in one source.
    """

    vectors: Floats
    postings: dict[int, tuple[Numbers, Floats]]
    policies: Numbers
    sources: Numbers


@dataclass(frozen=True)
class Row:
    """The figures of one viewer: mean and lowest recall by meaning and by words, leaks, results, milliseconds."""

    layout: str
    visible: int
    dense: float
    dense_lowest: float
    keyword: float
    keyword_lowest: float
    leaks: int
    results: int
    p50: float
    p95: float


def main(arguments: list[str]) -> int:
    """Build, ask, print the table; return the exit status."""
    options = argparse.ArgumentParser(description="Recall and leaks of filtered search against brute force.")
    options.add_argument("--chunks", type=int, default=100_000)
    options.add_argument("--questions", type=int, default=QUESTIONS)
    options.add_argument("--keep", type=Path, help="build the index in this folder, or use what is there")
    given = options.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="footnote-bench-") as made,
        nullcontext(given.keep or Path(made)) as folder,
    ):
        from benchmarks.installation import open_installation

        open_installation(folder)
        rows = run(folder, given.chunks, given.questions)
    print(
        "| may read | of 100 | dense recall@50 | lowest | keyword recall@50 | lowest | leaks | results | p50 ms | p95 ms |"
    )
    print("| --- |" + " ---: |" * 9)
    for row in rows:
        print(
            f"| {row.layout} | {row.visible} | {row.dense:.4f} | {row.dense_lowest:.2f} | {row.keyword:.4f} "
            f"| {row.keyword_lowest:.2f} | {row.leaks} | {row.results:,} | {row.p50:.1f} | {row.p95:.1f} |"
        )
    short = [row for row in rows if min(row.dense, row.keyword) < WANTED or row.leaks]
    print(f"\n{given.chunks:,} chunks, {given.questions} questions each; wanted: recall ≥ {WANTED}, leaks 0.")
    return 1 if short else 0


def run(folder: Path, chunks: int, count: int) -> list[Row]:
    """Return a row per layout and share; needs an open installation in the folder."""
    from benchmarks.synthetic import Corpus, questions, seeds
    from ingestion.embedding import embedder
    from ingestion.index import close_index, get_index
    from ingestion.index.types import IndexFilter

    made_of = seeds(folder / "seeds.npz")
    corpus = Corpus(made_of, chunks)
    index = get_index()
    held = _hold(corpus, made_of, index)
    texts = list(questions(corpus, made_of, count))
    vectors = embedder().embed_queries(texts)
    everything = frozenset(range(1, PARTS + 1))
    rows = []
    for share in VISIBLE:
        some = frozenset(range(1, PARTS * share // 100 + 1))
        for layout, where in (
            ("spread over all subjects", IndexFilter(some, everything, superseded=False, share=share / 100)),
            ("together by subject", IndexFilter(everything, some, superseded=False, share=share / 100)),
        ):
            rows.append(_measure(index, held, layout, share, where, texts, vectors))
    close_index()
    return rows


def _hold(corpus: "Corpus", made_of: "Seeds", index: "VectorIndex") -> Held:
    """Put the corpus into the index unless it is there, and return it for brute force."""
    from ingestion.chunking import embedding_text
    from ingestion.index.keywords import keyword_model
    from ingestion.index.types import IndexPoint

    random = np.random.default_rng(3)
    lengths = np.array([document.chunks for document in corpus.documents])
    total = int(lengths.sum())
    policies = np.repeat(random.integers(1, PARTS + 1, size=len(lengths)), lengths)
    sources = _by_subject(made_of, np.repeat([d.subject for d in corpus.documents], lengths))
    vectors = np.empty((total, made_of.vectors.shape[1]), dtype=np.float32)
    owners = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    titles = [document.title for document in corpus.documents]
    is_new = index.count() == 0
    terms: list[npt.NDArray[np.uint32]] = []
    weights: list[Floats] = []
    row, step = 0, 400
    for start in range(0, len(lengths), step):
        made = corpus.chunks_of(start, min(start + step, len(lengths)))
        points = []
        for text, heading, vector in zip(made.texts, made.headings, made.vectors, strict=True):
            vectors[row] = vector
            indexed = embedding_text(titles[owners[row] - 1], [heading], text)
            sparse = keyword_model().embed_document(indexed)
            terms.append(np.array(sparse.indices, dtype=np.uint32))
            weights.append(np.array(sparse.values, dtype=np.float32))
            points.append(
                IndexPoint(
                    row + 1, int(owners[row]), int(sources[row]), int(policies[row]), 0, vector, indexed
                )
            )
            row += 1
        if is_new:
            index.upsert(points)
    if is_new:
        index.optimize()
        index.flush()
    stored = vectors.astype(np.float16).astype(np.float32)
    return Held(stored, _postings(terms, weights), policies, sources)


def _by_subject(made_of: "Seeds", subjects: Numbers) -> Numbers:
    """Return a source for each chunk: a hundred groups of subjects that lie next to each other, of nearly equal size."""
    # Neighbours in meaning become neighbours in a row: from the first sentence always on to the nearest not yet taken.
    likeness = made_of.vectors @ made_of.vectors.T
    order, free = [0], np.ones(len(likeness), dtype=bool)
    free[0] = False
    while free.any():
        nearest = int(np.where(free, likeness[order[-1]], -2.0).argmax())
        order.append(nearest)
        free[nearest] = False
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ranks = np.argsort(np.argsort(place[subjects], kind="stable"), kind="stable")
    return np.asarray(ranks * PARTS // len(subjects) + 1, dtype=np.int64)


def _postings(
    terms: Sequence[npt.NDArray[np.uint32]], weights: Sequence[Floats]
) -> dict[int, tuple[Numbers, Floats]]:
    """Return for each term the rows that hold it and its weight in each."""
    rows = np.repeat(np.arange(len(terms)), [len(held) for held in terms])
    all_terms, all_weights = np.concatenate(terms), np.concatenate(weights)
    order = np.argsort(all_terms, kind="stable")
    names, starts = np.unique(all_terms[order], return_index=True)
    bounds = [*starts.tolist(), len(order)]
    return {
        int(name): (rows[order[begin:end]], all_weights[order[begin:end]])
        for name, begin, end in zip(names, bounds, bounds[1:], strict=False)
    }


def _measure(
    index: "VectorIndex",
    held: Held,
    layout: str,
    share: int,
    where: "IndexFilter",
    texts: list[str],
    vectors: Floats,
) -> Row:
    from retrieval.metrics import percentile

    visible = np.isin(held.policies, list(where.policies)) & np.isin(held.sources, list(where.sources))
    dense, keyword, times = [], [], []
    leaks = results = 0
    for text, vector in zip(texts, vectors, strict=True):
        begun = time.perf_counter()
        hits = index.search(vector, text, where, BEST)
        times.append((time.perf_counter() - begun) * 1000)
        leaks += sum(not visible[hit.chunk - 1] for hit in (*hits.dense, *hits.keyword))
        results += len(hits.dense) + len(hits.keyword)
        dense.append(_recall(hits.dense, np.where(visible, held.vectors @ vector, -np.inf), -1.0))
        keyword.append(_recall(hits.keyword, _bm25(text, held, visible), 0.0))
    return Row(
        layout, share, float(np.mean(dense)), min(dense), float(np.mean(keyword)), min(keyword), leaks, results,
        percentile(times, 0.5), percentile(times, 0.95),
    )  # fmt: skip


def _recall(hits: "Sequence[IndexHit]", scores: Floats, least: float) -> float:
    """Return the share of the best BEST rows above `least` that were found; whatever scores as well counts as well."""
    there = int((scores > least).sum())
    wanted = min(BEST, there)
    if not wanted:
        return 1.0 if not hits else 0.0
    bar = np.partition(scores, -wanted)[-wanted]
    return (
        sum(
            bool(scores[hit.chunk - 1] >= bar - ROUNDING * max(1.0, abs(float(bar)))) for hit in hits[:wanted]
        )
        / wanted
    )


def _bm25(text: str, held: Held, visible: npt.NDArray[np.bool_]) -> Floats:
    """Return every row's BM25 score with each word's rarity judged over the visible rows alone; 0 for the others."""
    from ingestion.index.keywords import keyword_query
    from ingestion.index.types import IndexQuery

    scores = np.zeros(len(visible), dtype=np.float32)
    count = int(visible.sum())
    asked = keyword_query(IndexQuery(np.empty(0, dtype=np.float32), text))
    for term, weight in zip(asked.indices, asked.values, strict=True):
        rows, weights = held.postings.get(
            int(term), (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        )
        seen = visible[rows]
        found = int(seen.sum())
        rarity = np.log(1.0 + (count - found + 0.5) / (found + 0.5))
        scores[rows[seen]] += np.float32(rarity * weight) * weights[seen]
    return scores


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
