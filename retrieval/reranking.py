"""A second opinion on the first passages of the ranking: a cross-encoder, or a model as judge, behind one protocol.

Only permitted text gets here. The opinion is asked on the first POOL passages; what both retrievers put first keeps its
place among the first FLOOR whatever the opinion says, because gains of such models turn around on texts unlike those
they learned from.
"""

from collections.abc import Sequence
from typing import Protocol

from retrieval.types import Ranked

POOL = 30
FLOOR = 5


class Reranker(Protocol):
    """Scores passages for a question. Raises RerankingFailed with a sentence when it cannot."""

    name: str

    def scores(self, question: str, ranked: Sequence[Ranked]) -> Sequence[float]:
        """Return one score per passage, in the order given; higher answers the question better. Any range."""
        ...


class RerankingFailed(RuntimeError):
    """The reranker could not be asked. The ranking before it stands, and the record says so."""
