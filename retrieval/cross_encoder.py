"""A cross-encoder as second opinion: any sentence-transformers model that reads question and passage together.

Optional; the model must already be on this machine. Importing this module loads no torch.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.conf import settings

from ingestion.chunking import embedding_text
from retrieval.reranking import RerankingFailed
from retrieval.types import Ranked

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# A model that was built to score pairs says so; anything else would get a head of random numbers and score with that.
SCORING = ("ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration")

_models: dict[str, CrossEncoder] = {}
_lock = threading.Lock()


class CrossEncoderReranker:
    """Scores passages with the cross-encoder that FOOTNOTE_RERANK_MODEL names, or with the one given.

    Safe to share between threads; each model is loaded once per process, at its first use.
    """

    def __init__(self, model: str = "") -> None:
        """Name a folder with a model, or one in this machine's Hugging Face cache."""
        self.model = model or settings.RERANK_MODEL
        self.name = f"cross-encoder {self.model}".strip()

    def scores(self, question: str, ranked: Sequence[Ranked]) -> list[float]:
        """Return one score in [0, 1] per passage. Each is read with its title and headings, as it is indexed.

        Text beyond the model's length limit does not take part. Raises RerankingFailed when the model cannot be used.
        """
        if not ranked:
            return []
        passages = [item.passage for item in ranked]
        pairs = [(question, embedding_text(p.title, p.headings, p.text, p.table_head)) for p in passages]
        # One at a time: a tokenizer that cuts to a length cannot be used from two threads, and torch uses every core.
        with _lock:
            model = _loaded(self.model)
            import torch

            try:
                found = model.predict(pairs, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False)
            except (RuntimeError, ValueError, IndexError) as error:
                raise RerankingFailed(
                    f"The cross-encoder {self.model} failed while it scored passages ({type(error).__name__})."
                ) from error
        return [float(score) for score in found]


def _loaded(name: str) -> CrossEncoder:
    """Return the model, loaded at the first call. Call it with the lock held."""
    if name not in _models:
        _models[name] = _load(name)
    return _models[name]


def _load(name: str) -> CrossEncoder:
    if not name:
        raise RerankingFailed("No cross-encoder is configured. Set FOOTNOTE_RERANK_MODEL to one.")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = CrossEncoder(name, local_files_only=True)
    except OSError as error:
        raise RerankingFailed(
            f"The cross-encoder {name} is not on this machine. Models are not downloaded at run time: set "
            "FOOTNOTE_RERANK_MODEL to a folder that holds one, or put it into the Hugging Face cache."
        ) from error
    except (ValueError, RuntimeError, KeyError, ImportError) as error:
        raise RerankingFailed(
            f"The cross-encoder {name} cannot be loaded ({type(error).__name__}): what lies there is no model that "
            "sentence-transformers reads."
        ) from error
    architectures = getattr(model.config, "architectures", None) or []
    if model.num_labels != 1 or not any(name.endswith(SCORING) for name in architectures):
        raise RerankingFailed(
            f"The model {name} gives no single score to a question and a passage, so it cannot rerank. "
            "Set FOOTNOTE_RERANK_MODEL to a cross-encoder."
        )
    return model
