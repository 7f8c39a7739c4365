"""Planning by a language model, behind the same protocol as the rules, and bounded by the same limits.

A plan decides what is searched, never what may be read: every search runs under the asker's own rights whatever the
model says. Where it says nothing usable, the rules plan, and the plan says why.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from pydantic import model_validator

from assistant.llm.connection import Connection, ModelFailed, Reply
from assistant.prompts import prompt
from ingestion.words import content_words, stems_of
from retrieval.planning import MAX_SUB_QUERIES, RulePlanner
from retrieval.types import Plan, SubQuery, Turn

log = logging.getLogger(__name__)

TURNS = 6
"""Turns that are sent: what a follow-up means was settled by then."""
ANSWER_CHARACTERS = 600
STANDALONE_CHARACTERS = 1_000
SEARCH_CHARACTERS = 300
CLARIFICATION_CHARACTERS = 300
REFERENCE = re.compile(r"#(\d{1,3})\b")


class Search(Reply):
    """One search as the model proposes it; the searches count from 1."""

    text: str
    after: list[int]


class Proposal(Reply):
    """A plan as the model proposes it, before any bound is applied."""

    standalone: str
    searches: list[Search]
    clarification: str

    @model_validator(mode="after")
    def _says_something(self) -> "Proposal":
        if not self.standalone.strip():
            raise ValueError("standalone is empty")
        if not self.clarification.strip() and not any(search.text.strip() for search in self.searches):
            raise ValueError("searches holds no text")
        return self


class ModelPlanner:
    """The planner that asks the configured language model, and falls back to the rules."""

    def plan(self, question: str, turns: Sequence[Turn]) -> Plan:
        """Return the model's plan within the bounds, or the rules' plan with the reason in `rule`.

        What the rules read out of the question (filters, whether it asks for the past) holds in either case.
        """
        ruled = RulePlanner().plan(question, turns)
        instructions = prompt("plan")
        try:
            connection = Connection.configured()
            proposal = connection.ask(Proposal, instructions.text, _data(ruled.question, turns))
            made = bounded(proposal, ruled, turns)
        except ModelFailed as error:
            log.warning("The model could not plan: %s.", error)
            return replace(ruled, rule=f"the model could not plan ({error}); rules applied: {ruled.rule}")
        return replace(made, rule=f"a model's plan (prompt {instructions.digest})", model=connection.name)


def _data(question: str, turns: Sequence[Turn]) -> dict[str, object]:
    return {
        "question": question,
        "conversation": [
            {
                "question": _cut(turn.question, STANDALONE_CHARACTERS),
                "answer": _cut(turn.answer or turn.clarification, ANSWER_CHARACTERS),
            }
            for turn in turns[-TURNS:]
        ],
    }


def bounded(proposal: Proposal, ruled: Plan, turns: Sequence[Turn]) -> Plan:
    """Return the plan that a proposal amounts to: at most MAX_SUB_QUERIES searches, numbered anew, after earlier ones only.

    Raises ModelFailed when nothing of it can be searched, or when it is about something else than what was asked.
    """
    # Without earlier turns there is nothing to put back: the question stands as it was asked.
    standalone = _cut(proposal.standalone, STANDALONE_CHARACTERS) if turns else ruled.standalone
    if not standalone:
        raise ModelFailed("its plan names no question")
    if turns and not _speaks_of(standalone, [ruled.question, *(turn.question for turn in turns[-TURNS:])]):
        raise ModelFailed("its plan is about something else than the question")
    sub_queries = _numbered(proposal.searches, ruled.question)
    clarification = _cut(proposal.clarification, CLARIFICATION_CHARACTERS)
    if not sub_queries:
        if not clarification:
            raise ModelFailed("its plan holds nothing to search for")
        sub_queries = (SubQuery(1, standalone),)
    if len(sub_queries) == 1:
        # Where a model sees one search, a second look that the rules would take is taken all the same.
        sub_queries += tuple(
            s for s in RulePlanner().plan(standalone, ()).sub_queries[1:2] if s.after == (1,)
        )
    return replace(ruled, standalone=standalone, sub_queries=sub_queries, clarification=clarification)


def _speaks_of(standalone: str, asked: Sequence[str]) -> bool:
    """Tell whether a rewritten question shares a word with what the person asked, now or before.

    Answers do not count: they quote documents, and a document must not be able to put another question in its place.
    """
    known = {stem for text in asked for stem in stems_of(text)}
    return not known or not known.isdisjoint(stems_of(standalone))


def _numbered(searches: Sequence[Search], question: str) -> tuple[SubQuery, ...]:
    """Return the first searches that say something, with their references brought in line with their new numbers."""
    kept: list[SubQuery] = []
    numbers: dict[int, int] = {}  # as the model counts -> as kept
    for number, search in enumerate(searches, start=1):
        if len(kept) == MAX_SUB_QUERIES:
            break
        text, referred = _with_references(search, numbers, question)
        if not content_words(text):
            continue
        after = {numbers[n] for n in {*search.after, *referred} if n in numbers}
        kept.append(SubQuery(len(kept) + 1, text, tuple(sorted(after))))
        numbers[number] = len(kept)
    return tuple(kept)


def _with_references(search: Search, numbers: dict[int, int], question: str) -> tuple[str, set[int]]:
    """Return a search's text with each `#n` renumbered, or taken out where there is no such search, and the n it refers to."""
    referred: set[int] = set()

    def renumbered(found: re.Match[str]) -> str:
        number = int(found[1])
        # "#7" in "the #7 assembly line" is the person's own, unless the search says that it comes after search 7.
        if number not in search.after and re.search(rf"{found[0]}\b", question):
            return found[0]
        if number not in numbers:
            return ""
        referred.add(number)
        return f"#{numbers[number]}"

    return _cut(REFERENCE.sub(renumbered, search.text), SEARCH_CHARACTERS), referred


def _cut(text: str, characters: int) -> str:
    """Return a text on one line, cut at a word to at most so many characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= characters:
        return line
    return line[:characters].rpartition(" ")[0] or line[:characters]
