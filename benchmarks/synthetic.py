"""Made-up corpora of any size that behave like real ones: sentences, titles, vectors. Everything follows from the seed.

A text is assembled from sentences of the demo organisation, about six hundred characters of one subject; half of the
content words are then drawn anew from a vocabulary that follows Zipf's law and grows with the corpus as Heaps' law has
it, so that most words are rare and a few are everywhere. A chunk's vector is the mean of the model's own vectors of its
sentences, with the vector of something else and noise mixed in: chunks of one subject lie together, as they do when they
are embedded, which a million of them cannot be here.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.server import ROOT
from ingestion.sentences import packed
from ingestion.words import STOPWORDS

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

SEED = 20_260_105
CHUNK_WORDS = 100
SENTENCES_PER_CHUNK = 7
VARIANTS = 4  # which words of a sentence are drawn anew: so many choices per sentence
NEAREST = 12  # sentences of one subject
MENTIONS = 0.25  # share of chunks that name another document by its title
ELSEWHERE, NOISE = 0.35, 0.45  # lengths of what is mixed into a vector of length 1
KINDS = (
    "Policy",
    "Guide",
    "Handbook",
    "Standard",
    "Checklist",
    "Minutes",
    "Report",
    "Plan",
    "Procedure",
    "Notes",
)
SYLLABLES = "ba be bo da de do fa fe ga go ha he ka ke ko la le lo ma me mo na ne no ra re ro sa se so ta te to va ve wi za".split()
WORD = re.compile(r"[A-Za-z][a-z'’]+")


@dataclass(frozen=True)
class Seeds:
    """The sentences everything is made of, with the model's vectors: shape (n, dimensions), one normalised row each."""

    sentences: tuple[str, ...]
    vectors: Vectors

    def nearest(self) -> Numbers:
        """Return for each sentence the numbers of those closest in meaning, itself first; shape (n, NEAREST)."""
        return np.argsort(-(self.vectors @ self.vectors.T), axis=1, kind="stable")[:, :NEAREST]


def seeds(kept: Path) -> Seeds:
    """Return the demo organisation's sentences with their vectors, embedded once and kept in a file."""
    sentences = tuple(demo_sentences())
    if kept.exists():
        with np.load(kept) as held:
            if tuple(held["sentences"].tolist()) == sentences:
                return Seeds(sentences, held["vectors"])
    from ingestion.embedding import embedder

    vectors = embedder().embed_passages(sentences)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, sentences=np.array(sentences), vectors=vectors)
    return Seeds(sentences, vectors)


def demo_sentences() -> list[str]:
    """Return every sentence of eight words or more in the demo organisation's readable files, each once."""
    found: dict[str, None] = {}
    demo = ROOT / "assistant" / "demo"
    for path in sorted([*(demo / "corpus").rglob("*.md"), *(demo / "built_from").rglob("*.md")]):
        text = path.read_text(encoding="utf-8").rpartition("\n---\n")[2]
        for line in text.splitlines():
            plain = re.sub(r"[*_`#>|]+|^[-\d.]+\s", " ", line)
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(plain.split())):
                if len(sentence.split()) >= 8 and "---" not in sentence:
                    found.setdefault(sentence.replace("%", "per cent"))
    return list(found)


class Vocabulary:
    """The content words a corpus draws from: the demo organisation's, most frequent first, then made-up rare ones."""

    def __init__(self, sentences: Sequence[str], chunks: int) -> None:
        """Take the words of these sentences, and as many rare ones as a corpus of that many chunks would show."""
        counted = Counter(
            word
            for sentence in sentences
            for match in WORD.finditer(sentence)
            if (word := match.group().lower()) not in STOPWORDS
        )
        rare = int(30 * (chunks * CHUNK_WORDS) ** 0.5)
        self.words = np.array(
            [*(word for word, _ in counted.most_common()), *map(_rare_word, range(rare))], dtype=object
        )
        shares = 1.0 / (np.arange(len(self.words)) + 2.7) ** 1.05
        self._cumulated = np.cumsum(shares) / shares.sum()

    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """Return words by Zipf's law with Mandelbrot's offset."""
        drawn = np.searchsorted(self._cumulated, random.random(count)).clip(max=len(self.words) - 1)
        words: list[str] = self.words[drawn].tolist()
        return words


def _rare_word(number: int) -> str:
    """Return a made-up name or, for every fourth number, a product number; each number has its own."""
    if number % 4 == 3:
        return f"hx-{1000 + number}"
    parts, rest = [], number + len(SYLLABLES) ** 2
    while rest:
        rest, last = divmod(rest, len(SYLLABLES))
        parts.append(SYLLABLES[last])
    return "".join(parts)


@dataclass(frozen=True)
class MadeDocument:
    """A document to be stored: its title, its subject (the number of a seed sentence), and how many chunks it has."""

    title: str
    subject: int
    chunks: int


@dataclass(frozen=True)
class MadeChunks:
    """Some documents' chunks in order: texts, headings, vectors of length one, and those of their sentences, packed."""

    texts: list[str]
    headings: list[str]
    vectors: Vectors
    sentences: list[bytes]


class Corpus:
    """A corpus of a given number of chunks; the same size gives the same corpus, to the character."""

    def __init__(self, made_of: Seeds, chunks: int) -> None:
        """Lay out titles and lengths; texts and vectors are made when they are asked for."""
        self._seeds = made_of
        self._nearest = made_of.nearest()
        self._vocabulary = Vocabulary(made_of.sentences, chunks)
        self._templates = [_templates(sentence) for sentence in made_of.sentences]
        self.documents = self._lay_out(chunks)

    def _lay_out(self, chunks: int) -> list[MadeDocument]:
        random = np.random.default_rng([SEED, chunks])
        # Most documents are short and a few are long: a median of six chunks, one in a hundred has more than forty.
        lengths = np.clip(np.rint(np.exp(random.normal(1.8, 0.8, chunks))).astype(int), 1, 120)
        count = int(np.searchsorted(np.cumsum(lengths), chunks)) + 1
        lengths = lengths[:count]
        lengths[-1] -= int(lengths.sum()) - chunks
        subjects = random.integers(len(self._seeds.sentences), size=count)
        words = self._vocabulary.draw(2 * count, random)
        kinds = random.integers(len(KINDS), size=count)
        years = random.integers(2015, 2027, size=count)
        dated = random.random(count) < 0.3
        documents = []
        for n in range(count):
            title = f"{words[2 * n].capitalize()} {words[2 * n + 1]} {KINDS[kinds[n]]}" + (
                f" {years[n]}" if dated[n] else ""
            )
            documents.append(MadeDocument(title, int(subjects[n]), int(lengths[n])))
        return documents

    def chunks_of(self, start: int, end: int) -> MadeChunks:
        """Return the chunks of the documents from number `start` up to `end`."""
        random = np.random.default_rng([SEED, start])
        documents = self.documents[start:end]
        subjects = np.repeat([d.subject for d in documents], [d.chunks for d in documents])
        count = len(subjects)
        picked = self._nearest[subjects[:, None], random.integers(NEAREST, size=(count, SENTENCES_PER_CHUNK))]
        variants = random.integers(VARIANTS, size=picked.shape)
        named = random.integers(len(self.documents), size=count)
        names = random.random(count) < MENTIONS
        chosen = [
            [self._templates[seed][variant] for seed, variant in zip(*row, strict=True)]
            for row in zip(picked.tolist(), variants.tolist(), strict=True)
        ]
        wanted = sum(slots for row in chosen for _, slots in row) + 2 * count
        supply = iter(self._vocabulary.draw(wanted, random))
        texts, headings = [], []
        for row, templates in enumerate(chosen):
            parts = [template % tuple(islice(supply, slots)) for template, slots in templates]
            if names[row]:
                parts.append(f"See {self.documents[named[row]].title}.")
            texts.append(" ".join(parts))
            headings.append(" ".join(islice(supply, 2)).capitalize())
        vectors = self._vectors(picked, random)
        # A sentence within its passage lies between what it says alone and what the passage says.
        sentences = [
            packed(normalised(self._seeds.vectors[own] + whole))
            for own, whole in zip(picked, vectors, strict=True)
        ]
        return MadeChunks(texts, headings, vectors, sentences)

    def _vectors(self, picked: Numbers, random: np.random.Generator) -> Vectors:
        count, dimensions = len(picked), self._seeds.vectors.shape[1]
        # What a text begins with weighs more in its vector than what it ends with.
        weights = 1.0 / np.arange(1, SENTENCES_PER_CHUNK + 1, dtype=np.float32)
        vectors = normalised(np.einsum("s,nsd->nd", weights, self._seeds.vectors[picked]))
        vectors += ELSEWHERE * self._seeds.vectors[random.integers(len(self._seeds.vectors), size=count)]
        vectors += NOISE * normalised(random.standard_normal((count, dimensions), dtype=np.float32))
        return normalised(vectors)


def normalised(rows: Vectors) -> Vectors:
    """Return the rows with length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _templates(sentence: str) -> list[tuple[str, int]]:
    """Return variants of a sentence with every second content word left open, and how many are open in each."""
    spans = [match.span() for match in WORD.finditer(sentence) if match.group().lower() not in STOPWORDS]
    variants = []
    for variant in range(VARIANTS):
        open_spans = [
            span
            for place, span in enumerate(spans)
            if (place + variant // 2 + (place // 2) * (variant % 2)) % 2
        ]
        text, last = "", 0
        for start, end in open_spans:
            text, last = text + sentence[last:start] + "%s", end
        variants.append((text + sentence[last:], len(open_spans)))
    return variants


ASKED = (
    "What is the rule for {a}?",
    "How does {a} work when {b}?",
    "Who decides about {a}?",
    "When is {a} allowed, and what about {b}?",
    "How many {a} are there for {b}?",
    "What does the {title} say about {a}?",
    "What is the difference between {a} and {b}?",
    "Where do I find {a}?",
    "Which {a} applies to {b}, and who approves it?",
    "May I use {a} for {b}?",
)  # fmt: skip


def questions(corpus: Corpus, made_of: Seeds, count: int) -> Iterator[str]:
    """Yield different questions about the corpus's subjects; a few name a document, a few ask two things at once."""
    random = np.random.default_rng([SEED, count, 7])
    for number in range(count):
        a, b = (
            _phrase(made_of.sentences[n], random) for n in random.integers(len(made_of.sentences), size=2)
        )
        title = corpus.documents[random.integers(len(corpus.documents))].title
        yield ASKED[number % len(ASKED)].format(a=a, b=b, title=title)


def _phrase(sentence: str, random: np.random.Generator) -> str:
    words = sentence.rstrip(".!?").split()
    length = int(random.integers(3, 6))
    start = int(random.integers(max(1, len(words) - length)))
    return " ".join(words[start : start + length]).strip(",;:()").lower()
