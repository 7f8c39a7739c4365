"""Passages made of words, and retrieval asked as somebody, for tests."""

from dataclasses import replace

from retrieval.options import Options
from retrieval.orchestrator import retrieve
from retrieval.types import Grant, Passage, Step
from tests.world import World


def passage(text: str, **changes: object) -> Passage:
    """Return a passage that did not come from the gate: a value for tests only."""
    made = Passage(
        chunk=1, chunk_digest="", ordinal=0, document=1, document_public_id="", version=1, title="Page",
        source_name="Handbook", author="", dated=None, is_superseded=False, page=None, headings=(), start=0,
        end=len(text), text=text, grant=Grant(1, 1, ()),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def steps(world: World, name: str, question: str, options: str = "") -> list[Step]:
    """Return the steps of retrieving as one of the world's people."""
    return list(retrieve(question, (), world.viewer(name), options=Options.parse(options)))
