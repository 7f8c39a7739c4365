"""Asks one golden question with its asker's rights of this moment, and notes what came without noting any words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accounts.models import User
from accounts.viewer import viewer_of
from assistant.golden.models import FOUND_WITHIN, EvaluationResult
from assistant.types import VerifiedAnswer
from retrieval.options import Options
from retrieval.types import Ranked

# Stages of answering. All others are retrieval's, which is what runs vary; what answering takes depends on which
# sentences happen to have been weighed lately.
NOT_TIMED = {"screen", "context", "answer", "verify"}


class NotAskedAs(Exception):
    """The question could not be asked as its asker; the message is a sentence for administrators."""


@dataclass(frozen=True)
class Came:
    """What came of a question. `ranks` go with the expected documents: places from 1, None for what was not found.

    `milliseconds` is the time it took to find the passages.
    """

    ranks: tuple[int | None, ...]
    outcome: str
    has_words: bool | None
    is_right: bool
    milliseconds: float


def ask(result: EvaluationResult, options: Options, check: Callable[[], None]) -> Came:
    """Ask a result's question through the pipeline that the chat runs; `check` is called after each stage.

    Raises NotAskedAs when the asker can no longer sign in, and whatever the pipeline or `check` raises.
    """
    from assistant.pipeline import answer

    asker = User.objects.get(pk=result.asker_id)
    if not asker.is_active:
        raise NotAskedAs(
            f"{asker.name} can no longer sign in, so nothing could be asked with their rights. "
            "Give the question another asker, or remove it."
        )
    milliseconds = 0.0
    ranked: Sequence[Ranked] = ()
    verified: VerifiedAnswer | None = None
    for step in answer(result.text, (), viewer_of(asker), options=options):
        milliseconds += 0.0 if step.name in NOT_TIMED else step.milliseconds
        ranked = step.value if step.name == "rerank" else ranked
        verified = step.value if isinstance(step.value, VerifiedAnswer) else verified
        check()
    if verified is None:
        raise RuntimeError("The pipeline ended without an answer.")
    return _came(result, ranked, verified, milliseconds)


def _came(
    result: EvaluationResult, ranked: Sequence[Ranked], verified: VerifiedAnswer, milliseconds: float
) -> Came:
    order = list(dict.fromkeys(item.passage.document_public_id for item in ranked))
    ranks = tuple(order.index(public_id) + 1 if public_id in order else None for public_id in result.expected)
    has_words = holds(result.words, verified) if result.words else None
    is_right = (
        verified.outcome == result.expected_outcome
        and has_words is not False
        and (not ranks or any(rank is not None and rank <= FOUND_WITHIN for rank in ranks))
    )
    return Came(ranks, verified.outcome, has_words, is_right, round(milliseconds, 1))


def holds(words: str, verified: VerifiedAnswer) -> bool:
    """Return whether an answer holds these words, in what it says or in what it quotes, in any case and spacing."""
    said = [claim.text or "" for claim in verified.claims] + [quote.text for quote in verified.footnotes]
    return any(_plain(words) in _plain(part) for part in (*said, " ".join(said)))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()
