"""Drafts of answers made from texts at hand, for tests that are about choosing sentences."""

import math
from collections.abc import Sequence

import numpy as np

from accounts.viewer import EVERYONE
from assistant.answering.extractive import extract
from assistant.answering.reader import Read, read
from assistant.answering.scoring import Embed
from assistant.answering.vectors import vectors_of
from assistant.context import build_context
from assistant.types import Draft
from ingestion.access import Rule
from ingestion.embedding import TokenVectors
from ingestion.models import Chunk
from retrieval.gate import pass_gate
from retrieval.planning import RulePlanner
from retrieval.types import Ranked
from tests.factories import make_document
from tests.world import World


def drafted(world: World, question: str, *texts: str, title: str = "Page", reader: Read = read) -> Draft:
    """Return the draft for a question whose context is these texts, a document each, the first ranked best."""
    for number, text in enumerate(texts):
        make_document(world.sources["open"], f"page {number}", text, Rule.of({EVERYONE}), title=title)
    return drafted_again(world, question, reader=reader)


def drafted_again(world: World, question: str, *, reader: Read = read, embed: Embed = vectors_of) -> Draft:
    """Return the draft from the documents that `drafted` made before."""
    made = Chunk.objects.filter(version__document__external_id__startswith="page").order_by("pk")
    viewer = world.viewer("charlie")
    passages = pass_gate(list(made.values_list("pk", flat=True)), viewer).passages
    ranked = [Ranked(passage, 1.0 - n / 100, (), None) for n, passage in enumerate(passages)]
    return extract(
        RulePlanner().plan(question, ()), build_context(ranked, viewer), reader=reader, embed=embed
    )


def quotes(draft: Draft) -> list[list[str]]:
    return [[quote.text for quote in claim.quotes] for claim in draft.claims]


def alike(cosine: float) -> Embed:
    """Return something that makes every text so much alike the first."""

    def embed(texts: Sequence[str]) -> list[TokenVectors]:
        rows = [(1.0, 0.0), *[(cosine, math.sqrt(1 - cosine**2))] * (len(texts) - 1)]
        return [TokenVectors(np.array(row, np.float32), (), np.zeros((0, 0), np.float32)) for row in rows]

    return embed
