"""A model's forward pass by sentence-transformers: for models that `ingestion.forward` does not know.

Measured on two AVX2 cores, chunks of about 140 tokens, one thread: 13.5 chunks/s for `SentenceTransformer.encode` with
its batches of 32, 19 chunks/s for the batches of even token count used here, with equal vectors and 200 MB less
memory. Dynamic int8 is 1.6 times as fast, but its vectors point elsewhere (mean cosine 0.93), so it is not used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion.cores import has_native_bf16
from ingestion.forward import Pieces, Use, batched
from ingestion.weights import EmbeddingUnavailable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

BATCH_TOKENS = 2_048
"""Tokens in one forward pass. Fills two cores and stays in their cache; larger batches are slower and need more memory."""

WIDTH = 16
"""Batches are padded to a multiple of so many tokens: at others the processor's matrix units are fed piecemeal, and
attention takes up to twice as long (163 tokens: 3.1 µs a token and layer, 160: 1.9)."""

FEW_TOKENS = 128
"""Up to here one core is as fast as two."""


class LibraryPass:
    """Any model that sentence-transformers reads. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Load a model. Raises EmbeddingUnavailable with a sentence when it cannot be."""
        os.environ["HF_HUB_OFFLINE"] = "1"
        # The tokenizer's own thread pool gains nothing on these batches and complains after every fork.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Threads that wait for their share of a product would spin, and take the core from the web server and the parser:
        # measured on two busy cores, 512 chunks in 38 s spinning and in 22 s sleeping. Read once, when torch is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        self._threads = torch.get_num_threads()
        logging.disable_progress_bar()
        try:
            self._model: SentenceTransformer = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise EmbeddingUnavailable(
                f"The embedding model in {folder} cannot be loaded: {error}"
            ) from error
        self._model.eval()
        if has_native_bf16():
            self._model.to(torch.bfloat16)
        dimensions = self._model.get_embedding_dimension()
        if dimensions is None:
            raise EmbeddingUnavailable(f"The model in {folder} does not say how long its vectors are.")
        self.dimensions = int(dimensions)

    def each(self, texts: Sequence[str], use: Use) -> None:
        """Hand every text's pieces to `use`, in no particular order, a batch to each core where there are many."""
        import torch

        if not texts:
            return
        encoded = self._encoded(texts)
        lengths = [len(ids) for ids, _ in encoded]

        def one(rows: list[int], threads: int) -> None:
            # Holds for the calling thread.
            torch.set_num_threads(threads)
            with torch.inference_mode():
                features = self._model.preprocess([texts[row] for row in rows])
                result = self._model(_widened(features) if len(rows) > 1 else features)
            wholes = result["sentence_embedding"].float().numpy()
            masks = features["attention_mask"].numpy().astype(bool)
            vectors = result["token_embeddings"].float().numpy()[:, : masks.shape[1]]
            for place, row in enumerate(rows):
                use(row, Pieces(*encoded[row], vectors[place][masks[place]], wholes[place]))

        batches = list(batched(lengths, BATCH_TOKENS))
        if len(batches) < self._threads or self._threads == 1:
            for rows in batches:
                one(rows, 1 if sum(lengths) <= FEW_TOKENS else self._threads)
            return
        # A batch a core: cores that share a batch wait for each other after every product.
        with ThreadPoolExecutor(self._threads, thread_name_prefix="embed") as pool:
            for done in [pool.submit(one, rows, 1) for rows in batches]:
                done.result()

    def _encoded(self, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Return for each text its pieces' ids, and where each begins; -1 for the model's own marks.

        A tokenizer written in Python does not say where: then no piece begins anywhere.
        """
        tokenizer = self._model.tokenizer
        longest = self._model.max_seq_length or 512
        knows = bool(tokenizer.is_fast)
        encoded = tokenizer(
            list(texts), truncation=True, max_length=longest, padding=False,
            return_offsets_mapping=knows, return_special_tokens_mask=True,
        )  # fmt: skip
        if not knows:
            return [(ids, [-1] * len(ids)) for ids in encoded["input_ids"]]
        return [
            (ids, np.where(marks, -1, [start for start, _ in offsets]).tolist())
            for ids, offsets, marks in zip(
                encoded["input_ids"],
                encoded["offset_mapping"],
                encoded["special_tokens_mask"],
                strict=True,
            )
        ]


def _widened(features: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return a batch padded to a multiple of WIDTH tokens."""
    import torch

    more = -features["input_ids"].shape[1] % WIDTH
    return {
        name: torch.nn.functional.pad(value, (0, more)) if getattr(value, "ndim", 0) == 2 else value
        for name, value in features.items()
    }
