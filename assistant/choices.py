"""Which values of retrieval's options this installation can use: those that need a model only where there is one."""

from django.conf import settings

from retrieval.options import CHOICES


def usable_choices() -> dict[str, tuple[str, ...]]:
    """Return every option with the words it takes here. What lacks its model would be another way under a false name."""
    lacking = set()
    if not settings.MODEL_URL:
        lacking |= {("planning", "model"), ("reranking", "judge")}
    if not settings.RERANK_MODEL:
        lacking.add(("reranking", "cross-encoder"))
    return {
        name: tuple(word for word in words if (name, word) not in lacking) for name, words in CHOICES.items()
    }
