"""Each step of a record in a sentence or two, for somebody who did not build this."""

from collections import Counter
from collections.abc import Callable

from assistant.auditing.stored import (
    Json,
    counted,
    entries_of,
    mapping,
    number_of,
    quoted,
    whole_of,
    words_of,
)
from assistant.models import TraceStep
from assistant.narrowing import filters_from, in_words, names_for_the_record

Told = tuple[str, tuple[str, ...], str]
"""A title, sentences, and a mood: good, bad or nothing."""


def told(step: TraceStep, asker: str, question: str) -> Told:
    """Return a step in words; one whose name is not known by its name alone."""
    if "unreadable" in step.record:
        return f"Step {step.position}", ("What this step recorded can no longer be read.",), "bad"
    match step.name:
        case "plan":
            return _plan(step.record, question)
        case "clarify":
            return _clarify(step.record, asker)
        case "search":
            return _search(step.record, asker)
        case "record":
            return _record(step.record, asker)
    tell = _TELLERS.get(step.name)
    return tell(step.record) if tell else (step.name.capitalize(), (), "")


def _screen(record: Json) -> Told:
    findings = entries_of(record, "findings")
    kinds = {"injection": "Instructions", "personal_data": "Personal data", "cleaned": "Cleaned"}
    noticed = [f"{kinds.get(words_of(f, 'kind'), 'Noticed')}: {words_of(f, 'what')}." for f in findings] or [
        "No personal data and no instructions found."
    ]
    noticed.append(f"{whole_of(record, 'characters')} characters.")
    if findings:
        noticed.append("What a question says changes nothing about what may be read for it.")
    return "Question screened", (" ".join(noticed),), ""


def _plan(record: Json, question: str) -> Told:
    sub_queries = entries_of(record, "sub_queries")
    title = (
        f"Planned into {len(sub_queries)} sub-questions" if len(sub_queries) > 1 else "Planned as one search"
    )
    title = "Planned to ask back" if words_of(record, "clarification") else title
    model = words_of(record, "model")
    lines = [f"Rule “{words_of(record, 'rule')}”. " + (f"Model: {model}." if model else "No model used.")]
    standalone = words_of(record, "standalone")
    if standalone and standalone != question:
        lines.append(f"Read as: {standalone}")
    if record.get("wants_superseded") is True:
        lines.append("It asks how things were, so documents that others replace were searched too.")
    return title, (*lines, *_where(record)), ""


def _where(record: Json) -> list[str]:
    """Return what narrowed the search, and what was typed to narrow it and could not be used."""
    told = []
    if kept := mapping(record.get("filters")):
        try:
            filters = filters_from(kept)
            words = " · ".join(in_words(filters, names_for_the_record(filters)))
        except (TypeError, ValueError):
            words = "what can no longer be read"
        told.append(f"Narrowed to: {words}.")
    not_used = record.get("filters_not_used")
    return told + [str(sentence) for sentence in (not_used if isinstance(not_used, list) else [])]


def _clarify(record: Json, asker: str) -> Told:
    how = "By a model" if words_of(record, "method") == "model" else "By rule"
    line = f"{how}: {words_of(record, 'clarification')}"
    return "Asked back", (line, f"Nothing was searched, and nothing was read for {asker}."), ""


def _search(record: Json, asker: str) -> Told:
    reach = mapping(record.get("reach"))
    searches = entries_of(record, "sub_queries")
    found = {whole_of(c, "chunk") for s in searches for c in entries_of(s, "candidates")}
    admitted = f"{counted(whole_of(reach, 'policies'), 'access rule')} and {counted(whole_of(reach, 'sources'), 'source')}"
    line = (
        f"{admitted} admitted {asker}; nothing outside them was searched. {counted(len(found), 'candidate')}."
    )
    return f"Searched under {asker}’s rights", (line,), ""


def _spelling(record: Json) -> Told:
    line = f"Nothing found spells {quoted(record.get('words'))} so; read as the nearest words there, and searched again."
    return "Read misspelled words", (line,), ""


def _synonyms(record: Json) -> Told:
    words = quoted(record.get("words"))
    if whole_of(record, "read_otherwise"):
        line = f"Nothing found speaks of {words}; read as what it is called there, and searched again."
        return "Read other words for the same", (line,), ""
    line = f"Nothing found speaks of {words}, nor of what else it may be called."
    return "Looked for other words for the same", (line,), ""


def _gate(record: Json) -> Told:
    passed, withheld = len(entries_of(record, "passed")), len(entries_of(record, "withheld"))
    line = f"{counted(passed, 'passage')} passed, decided again in the database at that moment."
    if not withheld:
        return "Checked against the rules again", (line, "Nothing had to be withheld."), ""
    return "Checked against the rules again", (line,), "bad"


def _bridge(record: Json) -> Told:
    bridges, withheld = entries_of(record, "bridges"), len(entries_of(record, "withheld"))
    second = entries_of(record, "second_searches")
    lines = [f"{counted(withheld, 'passage')} of them withheld."] if withheld else []
    if second:
        found = {whole_of(c, "chunk") for search in second for c in entries_of(search, "candidates")}
        lines.append(f"Searched again with what {counted(len(second), 'passage')} said: {len(found)} found.")
    if not bridges:
        return "Looked for documents named in what was found", ("None was named.", *lines), ""
    return f"Followed {counted(len(bridges), 'document')} named in what was found", tuple(lines), ""


def _sufficiency(record: Json) -> Told:
    words = quoted(record.get("missing"))
    if not words:
        return "Checked that it is enough", ("What the question names stands in what was found.",), ""
    found = len(entries_of(record, "candidates"))
    line = f"Nothing found speaks of {words}; one more search for it brought {counted(found, 'passage')}."
    return "Looked for what was missing", (line,), ""


def _rerank(record: Json) -> Told:
    number = len(entries_of(record, "ranked"))
    lines = ["Search score, how close together the question’s words stand, and a mention by name, added up."]
    reranker, failed = words_of(record, "reranker"), words_of(record, "failed")
    if reranker:
        lines.append(
            f"A second opinion was asked of {reranker}"
            + (f", in vain: {failed} The ranking stands." if failed else ", and moved what it preferred.")
        )
    return f"Ranked {counted(number, 'passage')}", tuple(lines) if number else (), ""


def _context(record: Json) -> Told:
    items, left_out = len(entries_of(record, "items")), len(entries_of(record, "left_out"))
    line = f"{whole_of(record, 'tokens'):,} tokens of evidence; {counted(left_out, 'passage')} left out."
    return f"Chose {counted(items, 'passage')} as evidence", (line,), ""


def _answer(record: Json) -> Told:
    claims, weighed = len(entries_of(record, "claims")), len(entries_of(record, "considered"))
    how = "No model used: sentences are taken word for word."
    if words_of(record, "method") != "extractive":
        how = f"Method: {words_of(record, 'method')}."
    line = f"{how} {counted(weighed, 'sentence')} weighed; {number_of(record, 'stated'):.2f} of 1 sure that they state what was asked."
    if words_of(record, "outcome") == "refused":
        return "Drafted a refusal", (line,), ""
    return f"Drafted {counted(claims, 'sentence')}", (line,), ""


def _verify(record: Json) -> Told:
    stand, struck = len(entries_of(record, "footnotes")), len(entries_of(record, "struck"))
    if not stand and not struck:
        return "Nothing to verify", ("A refusal quotes nothing.",), ""
    supports = Counter(words_of(claim, "support") for claim in entries_of(record, "claims"))
    words = {"supported": "supported", "partial": "partly supported", "struck": "struck"}
    states = ", ".join(f"{number} {words.get(kind, kind)}" for kind, number in supports.items())
    line = f"{stand} of {stand + struck} quotes stand character for character in the passages they cite."
    sentences = f"Sentences: {states}." if states else ""
    return (
        "Verified sentence by sentence",
        tuple(filter(None, (line, sentences))),
        "bad" if struck else "good",
    )


def _record(record: Json, asker: str) -> Told:
    withheld = len(entries_of(record, "withheld"))
    lines = ["Rights were asked once more at the moment of writing."]
    if withheld:
        lines.append(f"{counted(withheld, 'footnote')} withheld: the rights had changed in between.")
    if words_of(record, "outcome") == "clarify":
        return f"Asked {asker} back", tuple(lines), ""
    if words_of(record, "outcome") == "refused":
        return f"Told {asker} that no answer was found", tuple(lines), ""
    footnotes = len(entries_of(record, "citations"))
    return f"Answered {asker} with {counted(footnotes, 'footnote')}", tuple(lines), "good"


def _failed(record: Json) -> Told:
    return (
        f"Failed after “{words_of(record, 'after')}”",
        (words_of(record, "sentence"), words_of(record, "error")),
        "bad",
    )


_TELLERS: dict[str, Callable[[Json], Told]] = {
    "screen": _screen, "gate": _gate, "spelling": _spelling, "synonyms": _synonyms, "bridge": _bridge, "sufficiency": _sufficiency, "rerank": _rerank, "context": _context,
    "answer": _answer, "verify": _verify, "failed": _failed,
}  # fmt: skip
