"""What answering needs, loaded by being imported: once, in the process that answering processes are forked from.

Nothing here may start a thread: a fork copies none, and would wait for them for ever.
"""

import logging
import os

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from ingestion.weights import BUNDLED_MODEL, EmbeddingUnavailable  # noqa: E402

# One core to a process; and one thread makes none that a fork would lose.
os.environ["OMP_NUM_THREADS"] = "1"
if settings.RERANK_MODEL or settings.EMBEDDING_MODEL != BUNDLED_MODEL:
    import torch  # noqa: F401

import rapidfuzz.distance  # noqa: E402, F401

from assistant import pipeline, runner, writing  # noqa: E402, F401
from assistant.answering import extractive, reader  # noqa: E402, F401
from ingestion.embedding import embedder  # noqa: E402
from ingestion.splitting import split_sentences  # noqa: E402
from ingestion.tokens import count_tokens  # noqa: E402
from ingestion.words import stem  # noqa: E402
from retrieval import orchestrator  # noqa: E402, F401

# What these read from files is read once.
split_sentences("Loaded once. For all.")
count_tokens("Loaded.")
stem("loaded")
try:
    _ = embedder().dimensions
    reader.prepare()
except EmbeddingUnavailable as error:
    # Said again, to the person who asks, by whoever uses it.
    logging.getLogger(__name__).error("%s", error)

runner.keep_loaded()
