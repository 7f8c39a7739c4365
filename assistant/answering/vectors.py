"""The vectors of sentences, made once and kept for a while: neighbouring questions weigh the same sentences."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol, runtime_checkable

import numpy as np
from django.conf import settings

from ingestion.embedding import TokenVectors, embedder

KEPT = 2_000
"""Sentences. At half precision about 25 kB each, 50 MB in all. Keyed by digest: no words are held here."""


@runtime_checkable
class EmbedsTokens(Protocol):
    """An embedder that also gives the vectors of word pieces; one behind a web service has none to give."""

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return one entry per text, in the order given."""


_kept: OrderedDict[bytes, TokenVectors] = OrderedDict()
_lock = threading.Lock()


def vectors_of(texts: Sequence[str]) -> list[TokenVectors]:
    """Return the vectors of texts that the caller already holds, in their order.

    Raises ingestion.weights.EmbeddingUnavailable when the model is missing.
    """
    model = settings.EMBEDDING_MODEL
    keys = [sha256(f"{model}\0{text}".encode()).digest() for text in texts]
    with _lock:
        known = {key: _kept[key] for key in keys if key in _kept}
        for key in known:
            _kept.move_to_end(key)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    made = _made(list(missing.values()))
    with _lock:
        for key, vectors in zip(missing, made, strict=True):
            known[key] = vectors
            _kept[key] = TokenVectors(vectors.whole, vectors.ids, vectors.pieces.astype(np.float16))
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return [known[key] for key in keys]


def _made(texts: Sequence[str]) -> list[TokenVectors]:
    model = embedder()
    if isinstance(model, EmbedsTokens):
        return model.embed_tokens(texts)
    none = np.zeros((0, 0), dtype=np.float32)
    return [TokenVectors(whole, (), none) for whole in (model.embed_passages(texts) if texts else ())]
