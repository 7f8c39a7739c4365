"""Measuring retrieval and extraction on a suite, through the code the chat runs.

Runs in a process whose data folder was made for it (see the `evaluate` command): the corpus becomes documents with
access rules, chunks, embeddings and index entries like any other, and each question is asked as one of its readers.
"""

from assistant.evaluation.storing import ingest

__all__ = ["ingest"]
