"""What a reader is told of sentences that do not simply stand, once for all those that need the same said."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.text import get_text_list

from assistant.shown import ShownClaim
from assistant.types import Support


@dataclass(frozen=True)
class Caution:
    """Why sentences do not simply stand: all those of one support that lack the same words of the question.

    `numbers` are those of their footnotes; `is_all_there_is` says that no other sentence of the answer simply stands.
    """

    support: Support
    lacking: tuple[str, ...]
    numbers: tuple[int, ...]
    sentences: int
    is_all_there_is: bool

    @property
    def words(self) -> str:
        """Return it as a sentence."""
        if self.support == "struck":
            if self.sentences == 1:
                return "One sentence is struck: no passage supports it."
            return f"{self.sentences} sentences are struck: no passage supports them."
        is_one = len(self.numbers) == 1
        numbers = get_text_list([str(number) for number in self.numbers], "and")
        where = f"Footnote {numbers}" if is_one else f"Footnotes {numbers}"
        if self.lacking:
            named = get_text_list([f"“{word}”" for word in self.lacking], "or")
            come, do = ("comes", "does") if is_one else ("come", "do")
            nearest = f" {come} nearest, but" if self.is_all_there_is else ""
            return f"{where}{nearest} {do} not speak of {named}."
        support = "supports" if is_one else "support"
        return (
            f"{where} {support} the underlined words only in part. Read the source before you rely on them."
        )


def all_in_doubt(claims: Sequence[ShownClaim]) -> bool:
    """Return whether none of an answer's sentences that may be read now simply stands."""
    return all(claim.support == "partial" for claim in claims if claim.is_available)


def cautions_about(claims: Sequence[ShownClaim]) -> tuple[Caution, ...]:
    """Return the cautions about an answer's sentences, as far as they may be read now, in the order of the sentences."""
    is_in_doubt = all_in_doubt(claims)
    found: dict[tuple[Support, tuple[str, ...]], list[ShownClaim]] = {}
    for claim in claims:
        if claim.is_available and claim.support != "supported":
            found.setdefault((claim.support, claim.lacking), []).append(claim)
    return tuple(
        Caution(
            support,
            lacking,
            tuple(dict.fromkeys(number for claim in alike for number in claim.numbers)),
            len(alike),
            is_in_doubt,
        )
        for (support, lacking), alike in found.items()
    )
