"""Stage 8 without a model: the answer is made of verbatim sentences of the permitted passages, or it is refused.

Nothing is composed, so nothing can be made up; what remains to be decided is which sentences, and whether they state
what was asked at all.
"""

from collections.abc import Sequence
from dataclasses import replace

from assistant.answering.expected import kind_of
from assistant.answering.parts import Found, Part, parts_of
from assistant.answering.reader import Read, read, readings_of
from assistant.answering.refusing import refusal_for
from assistant.answering.scoring import Embed, Scored, odds_of, score_sentences
from assistant.answering.sentences import MOST_CHARACTERS, Sentence, say_the_same, sentences_of, take
from assistant.answering.stated import Verdict, judge, unsaid
from assistant.answering.vectors import vectors_of
from assistant.types import Claim, Considered, Context, Draft, Quote, Support
from ingestion.words import stems_of
from retrieval.specifics import amounts_in, is_nowhere
from retrieval.synonyms import said_otherwise
from retrieval.types import Plan, Ranked

MOST_CLAIMS = 5
EACH = 3
"""Sentences for a single question; two for each part of a question in several parts."""
KEEP = 0.72
"""A further sentence must reach this share of the best one's score."""
TOO_FAR = 0.25
"""Below this nothing that was found is even about the question. Alone it decides nothing: a telling word must be missing too."""
SCARCE = 0.35
"""Below this share of the question's telling words a doubtful sentence is taken to speak of something else."""
DOUBTFUL = 0.45
SLIGHT = 0.33
"""Below the first it is in doubt that the best sentence states what was asked: scarce words then speak of something else. Below the second
where it was read, and not found to state nothing."""
UNSTATED = 0.24
STATED = 0.4
"""Where passages were read: below the first nothing states what was asked, if a telling word is missing too; from the second on it
is stated, whatever names and numbers say."""
PAGES = 3
"""Passages that the reader is given, the best by rank; of a question in parts each part has its share of them. With five the
answer is among the first three sentences in .936, with three in .933, on articles the reader had not seen."""
UNLIKELY = 0.34
"""Below this a name that is missing is missing, not written another way ("Catholic" for "Church of Rome")."""
UNSURE = 0.4
UNSURE_UNREAD = 0.6
"""Below the first, and below the second where nothing was read, a quote is shown with the question's words that it lacks."""


def extract(plan: Plan, context: Context, *, embed: Embed = vectors_of, reader: Read = read) -> Draft:
    """Return the sentences of the context that answer the plan's question, each as an exact quote, or a refusal.

    `embed` gives texts their vectors (by default the product's own embedder), `reader` reads passages, or stands aside.
    Raises ingestion.weights.EmbeddingUnavailable when there is no model to compare with.
    """
    parts = parts_of(plan, context.rarity.keys())
    asks_how = any(kind_of(part.text) == "steps" for part in parts)
    sentences = sentences_of(context.ranked, joins_steps=asks_how)
    found = [_find(part, sentences, context, embed, reader, len(parts)) for part in parts]
    claims, places = _claims(found, sentences, context)
    claims = tuple(replace(claim, lacking=plan.words_as_typed(claim.lacking)) for claim in claims)
    considered = _considered(found, places, context)
    # The whole question comes first; where it was split, each part must be stated for all of it to be.
    stated = min((entry.stated for entry in found), default=0.0)
    unanswered = [
        entry for entry in found if entry.missing is not None and not _is_answered_by_sides(entry, found)
    ]
    refusal = refusal_for(unanswered, plan, sentences, places, context) if unanswered else None
    if not claims:
        refusal = refusal or refusal_for(found, plan, sentences, places, context)
        return Draft("refused", (), refusal, "extractive", stated, considered)
    return Draft("answered", claims, refusal, "extractive", stated, considered)


def _is_answered_by_sides(whole: Found, found: Sequence[Found]) -> bool:
    """Tell whether this is a comparison a side of which is answered: what is not is then said of the other side."""
    return any(entry.part in whole.part.sides and entry.missing is None for entry in found)


def _find(
    part: Part, sentences: Sequence[Sentence], context: Context, embed: Embed, reader: Read, parts: int
) -> Found:
    ranked, text = context.ranked, part.asked
    # A part is answered from what was found for it; where that is nothing, from everything.
    # Answered as one, a question takes what any search found.
    own = {
        n
        for n, r in enumerate(ranked)
        if parts == 1 or not r.sub_queries or part.number in r.sub_queries or r.via
    }
    weighed = [s for s in sentences if s.passage_number in own] or sentences
    scored = score_sentences(
        text,
        weighed,
        [surroundings(entry) for entry in ranked],
        [entry.score for entry in ranked],
        context.rarity,
        context.unseen,
        embed,
        readings_of(text, weighed, ranked, reader, -(-PAGES // parts)),
    )
    verdicts = tuple(
        judge(text, entry, _neighbourhood(entry.sentence, ranked), context.synonyms)
        for entry in scored[:EACH]
    )
    return Found(part, tuple(scored), verdicts, _missing(text, scored, verdicts, context))


def surroundings(entry: Ranked) -> str:
    """Return a passage's title and, below it, what else stands over it: words that its sentences need not repeat."""
    return "\n".join(entry.passage.above)


def _neighbourhood(sentence: Sentence, ranked: Sequence[Ranked]) -> str:
    """Return the text in which what a question names may stand: the passage alone.

    Of a second hop also what led there: the question describes it by way of the first.
    """
    entry = ranked[sentence.passage_number]
    texts = [entry.passage.with_titles]
    if "bridge" in entry.features or "second" in entry.features:
        texts += [other.passage.with_titles for other in ranked if other is not entry]
    return "\n".join(texts)


def _missing(
    text: str, scored: Sequence[Scored], verdicts: Sequence[Verdict], context: Context
) -> tuple[str, ...] | None:
    """Return what of the question the evidence does not state, None when it states it."""
    if not verdicts:
        return unsaid(text, (), context.rarity, context.unseen)
    first = verdicts[0]
    if all(verdict.is_denied for verdict in verdicts):
        return ("not",)
    is_read = odds_of(scored[0]) is not None
    if is_read:
        if first.stated >= STATED:
            return None
        if first.stated < UNSTATED:
            lacks = first.missing or _unsaid_near(text, scored[0], context)
            # Of what somebody is to do the reader, which learned from questions about facts, says little.
            return lacks or (("not",) if first.is_denied else None)
    lacking = [verdict for verdict in verdicts if verdict.missing and verdict.by_features < UNLIKELY]
    if first.missing and len(lacking) == len(verdicts):
        return first.missing
    nowhere = tuple(word for word in first.missing if is_nowhere(word, context.rarity.keys()))
    if nowhere:
        return nowhere
    doubtful = SLIGHT if is_read else DOUBTFUL
    is_elsewhere = first.by_features < doubtful and scored[0].features.get("around", 0.0) < SCARCE
    if first.by_features < TOO_FAR or is_elsewhere:
        return _unsaid_near(text, scored[0], context) or None
    return None


def _unsaid_near(text: str, scored: Scored, context: Context) -> tuple[str, ...]:
    """Return the question's telling words that the passage of a sentence does not hold."""
    passage = context.ranked[scored.sentence.passage_number].passage
    lacking = unsaid(text, stems_of(passage.with_titles), context.rarity, context.unseen)
    if not lacking:
        return ()
    # How much somebody has in mind need not be said, and what goes by another name is.
    said = amounts_in(text) | said_otherwise(text, passage.with_titles, context.synonyms)
    return tuple(word for word in lacking if word not in said)


def _claims(
    found: Sequence[Found], sentences: Sequence[Sentence], context: Context
) -> tuple[tuple[Claim, ...], set[tuple[int, int]]]:
    """Return the claims, and the (passage, sentence) numbers that went into them."""
    claims: list[Claim] = []
    stems_of_claims: list[set[str]] = []
    taken: set[tuple[int, int]] = set()
    each = EACH if len(found) == 1 else 2
    # Round by round: the best sentence of every part comes before the second of any.
    for turn in range(each):
        for part in found:
            if part.missing is not None or not part.scored:
                continue
            chosen = _next(part, turn, taken, stems_of_claims, claims, sentences, context)
            if chosen is not None and len(claims) < MOST_CLAIMS:
                claim, stems = chosen
                claims.append(claim)
                stems_of_claims.append(stems)
    return tuple(claims), taken


def _next(
    part: Found,
    turn: int,
    taken: set[tuple[int, int]],
    stems_of_claims: list[set[str]],
    claims: list[Claim],
    sentences: Sequence[Sentence],
    context: Context,
) -> tuple[Claim, set[str]] | None:
    """Return the part's next claim. A sentence that repeats an earlier claim becomes another footnote of it."""
    best = part.scored[0].score
    for scored in part.scored:
        sentence = scored.sentence
        if sentence.place in taken:
            continue
        if turn and scored.score < KEEP * best:
            return None
        if _goes_on(sentence, claims, taken, context):
            continue
        stems = set(sentence.stems)
        twin = next((n for n, known in enumerate(stems_of_claims) if say_the_same(stems, known)), None)
        quote = _quote(context.ranked[sentence.passage_number], *take(sentence, sentences, taken))
        if twin is None:
            return _claim(part, scored, quote, context), stems
        claims[twin] = replace(claims[twin], quotes=(*claims[twin].quotes, quote))
    return None


def _goes_on(sentence: Sentence, claims: list[Claim], taken: set[tuple[int, int]], context: Context) -> bool:
    """Lengthen the claim that ends where a sentence that leans back begins, and tell whether there was one."""
    before = sentence.previous
    if not sentence.leans_back or before is None or before.place not in taken:
        return False
    entry = context.ranked[sentence.passage_number]
    for number, claim in enumerate(claims):
        first, *others = claim.quotes
        is_before = first.chunk == entry.passage.chunk and first.end == before.end
        if is_before and sentence.end - first.start <= MOST_CHARACTERS:
            longer = _quote(entry, first.start, sentence.end)
            claims[number] = replace(claim, quotes=(longer, *others))
            taken.add(sentence.place)
            return True
    return False


def _claim(found: Found, scored: Scored, quote: Quote, context: Context) -> Claim:
    """Return a quote as a claim: `partial`, and what it lacks, where its surroundings do not hold what the question turns on.

    What answers a comparison need speak of one of its sides only.
    """
    part = found.part
    judged = (
        verdict for entry, verdict in zip(found.scored, found.verdicts, strict=False) if entry is scored
    )
    if part.sides:
        lacks = [_lacking(side.asked, scored, context, None) for side in part.sides]
    else:
        lacks = [_lacking(part.asked, scored, context, next(judged, None))]
    lacking, is_denied = min(lacks, key=lambda entry: (len(entry[0]), entry[1]))
    support: Support = "partial" if lacking or is_denied else "supported"
    return Claim(None, (quote,), support, (part.number,), lacking)


def _lacking(
    text: str, scored: Scored, context: Context, verdict: Verdict | None
) -> tuple[tuple[str, ...], bool]:
    """Return what a sentence lacks of what is asked, where it is in doubt that it answers, and whether it fails to say "not".

    `verdict` is the one on it, where there is one already.
    """
    verdict = verdict or judge(
        text, scored, _neighbourhood(scored.sentence, context.ranked), context.synonyms
    )
    lacking = {word.lower(): word for word in verdict.missing}
    if verdict.stated < (UNSURE_UNREAD if odds_of(scored) is None else UNSURE):
        for word in _unsaid_near(text, scored, context):
            lacking.setdefault(word.lower(), word)
    return tuple(lacking.values()), verdict.is_denied


def _quote(entry: Ranked, start: int, end: int) -> Quote:
    passage = entry.passage
    return Quote(
        number=0,
        chunk=passage.chunk,
        chunk_digest=passage.chunk_digest,
        document=passage.document,
        version=passage.version,
        start=start,
        end=end,
        text=passage.text[start - passage.start : end - passage.start],
    )


def _considered(
    found: Sequence[Found], taken: set[tuple[int, int]], context: Context
) -> tuple[Considered, ...]:
    """Return every sentence that was weighed, with why it was not chosen."""
    entries = []
    for part in found:
        best = part.scored[0].score if part.scored else 0.0
        for scored in part.scored:
            sentence = scored.sentence
            if part.missing is not None:
                lost = "what was asked is not stated"
            elif sentence.place in taken:
                lost = ""
            else:
                lost = "below the cut" if scored.score < KEEP * best else "others scored higher"
            chunk = context.ranked[sentence.passage_number].passage.chunk
            entries.append(
                Considered(chunk, sentence.start, sentence.end, scored.score, scored.features, lost)
            )
    return tuple(entries)
