"""Tables that are longer than a passage: what is further down is read, found and quoted with the names of its columns."""

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from accounts.canonical import digest_of_bytes
from accounts.viewer import EVERYONE, user_principal
from assistant.answering.sentences import sentences_of
from assistant.history import shown_answer
from assistant.management.commands.ask import as_text
from ingestion.access import Rule, intern_policy
from ingestion.chunking import CHUNK_TOKENS, chunk_text
from ingestion.indexing import indexed_text
from ingestion.models import Chunk, Document
from ingestion.tables import HEAD_CHARACTERS, begins_within, heads_of, is_head
from ingestion.tokens import count_tokens
from retrieval.gate import pass_gate
from retrieval.types import Ranked
from tests.assistant.answers import make_answer
from tests.factories import make_document
from tests.world import World

HEAD = "| Product | Weight | List price |"
ROWS = [f"| HX-{number} | {number} | {number}0 |" for number in range(100, 160)]
TABLE = "\n".join((HEAD, *ROWS))


def chunks(text: str) -> list[tuple[str, str]]:
    return [(text[chunk.start : chunk.end], chunk.table_head) for chunk in chunk_text(text)]


def test_a_chunk_that_begins_in_the_middle_of_a_table_knows_its_head() -> None:
    first, *others = chunks(f"Prices of 2026.\n\n{TABLE}")
    assert first[1] == ""
    assert len(others) > 2
    assert {head for _, head in others} == {HEAD}
    assert all(count_tokens(f"{head}\n{text}") <= CHUNK_TOKENS for text, head in others)


def test_what_follows_a_table_has_no_head_of_it() -> None:
    text = f"{TABLE}\n\n" + "Prices are without tax and hold until the end of the year. " * 12
    assert chunks(text)[-1][1] == ""


def test_a_table_that_fits_is_not_cut() -> None:
    before = "Every meter is calibrated before it leaves the house, and has its certificate. " * 6
    small = "\n".join((HEAD, *ROWS[:5]))
    after = "A price holds for thirty days, and for sixty where the buyer is a public body. " * 6
    assert any(small in text for text, _ in chunks(f"{before}\n\n{small}\n\n{after}"))


@pytest.mark.parametrize(
    ("row", "names_columns"),
    [
        (HEAD, True),
        ("| | Weight | Price |", True),
        ("| HX-100 | 100 | EUR 1000 |", False),
        ("| Weight | | Price |", False),
        ("| Product |", False),
        (f"| Product | {'long ' * (HEAD_CHARACTERS // 5)} |", False),
    ],
)
def test_a_first_row_is_a_head_when_it_names_the_columns(row: str, names_columns: bool) -> None:
    assert is_head(row) == names_columns
    assert heads_of([(row, False), (ROWS[0], True)]) == ["", row if names_columns else ""]


def test_a_table_ends_where_a_line_is_left_free_or_is_no_row() -> None:
    lines = [
        (HEAD, False),
        (ROWS[0], True),
        (ROWS[1], False),
        (ROWS[2], True),
        ("Words.", True),
        (ROWS[3], True),
    ]
    assert heads_of(lines) == ["", HEAD, "", "", "", ""]


def test_an_offset_lies_within_the_table_that_a_text_begins_with() -> None:
    text = f"{ROWS[0]}\n{ROWS[1]}\n\nWords.\n{ROWS[2]}"
    assert begins_within(text, 0)
    assert begins_within(text, len(ROWS[0]) + 1)
    assert not begins_within(text, len(text))


@pytest.fixture
def prices(world: World) -> list[Chunk]:
    document = make_document(world.sources["open"], "prices", TABLE, Rule.of({EVERYONE}), title="Prices")
    world.documents["prices"] = document
    version = document.versions.get()
    version.chunks.all().delete()
    return [
        Chunk.objects.create(
            version=version, ordinal=ordinal, start=span.start, end=span.end,
            text=TABLE[span.start : span.end], table_head=span.table_head,
            digest=digest_of_bytes(TABLE[span.start : span.end].encode()),
        )
        for ordinal, span in enumerate(chunk_text(TABLE))
    ]  # fmt: skip


def test_rows_further_down_are_indexed_and_read_under_the_head(world: World, prices: list[Chunk]) -> None:
    chunk = prices[2]
    assert chunk.table_head == HEAD
    assert indexed_text(chunk) == f"Prices\n{HEAD}\n{chunk.text}"
    (passage,) = pass_gate([chunk.pk], world.viewer("charlie")).passages
    assert HEAD in passage.with_titles
    assert HEAD not in passage.text
    read = sentences_of([Ranked(passage, 1.0, (), None)])
    assert len(read) > 2
    for sentence in read:
        product, weight, price = (cell.strip() for cell in sentence.text.strip("|").split("|"))
        assert sentence.read_as == f"Product: {product}, Weight: {weight}, List price: {price}"


def test_a_quoted_row_is_shown_under_the_names_of_its_columns(
    world: World, prices: list[Chunk], client: Client
) -> None:
    row = prices[2].text.splitlines()[1]
    question = make_answer(world.alice, "What does it cost?", [(world.documents["prices"], row)])
    client.force_login(world.alice)
    html = client.get(
        reverse("assistant:conversation", args=[question.conversation.public_id])
    ).content.decode()
    assert '<th scope="col">List price' in html
    shown = shown_answer(question.answer, world.viewer("alice"))
    assert (shown.claims[0].words, shown.citations[0].table_head) == (row, HEAD)
    assert f"{HEAD}\n{row} [1]" in as_text(shown, question)
    footnote = client.get(reverse("assistant:api_question", args=[question.public_id])).json()["answer"][
        "footnotes"
    ][0]
    assert (footnote["quote"], footnote["table_head"]) == (row, HEAD)


def test_the_head_goes_with_the_row_when_it_may_no_longer_be_read(world: World, prices: list[Chunk]) -> None:
    row = prices[2].text.splitlines()[1]
    question = make_answer(world.alice, "What does it cost?", [(world.documents["prices"], row)])
    Document.objects.filter(pk=world.documents["prices"].pk).update(
        policy=intern_policy(Rule.of({user_principal(world.bob.pk)}))
    )
    assert pass_gate([prices[2].pk], world.viewer("alice")).passages == ()
    (citation,) = shown_answer(question.answer, world.viewer("alice")).citations
    assert (citation.is_available, citation.quote, citation.table_head) == (False, "", "")


def test_a_passage_of_an_earlier_release_takes_no_row_for_the_names_of_its_columns(
    world: World, prices: list[Chunk]
) -> None:
    (passage,) = pass_gate([prices[2].pk], world.viewer("charlie")).passages
    read = sentences_of([Ranked(replace(passage, table_head=""), 1.0, (), None)])
    assert len(read) > 2
    assert [sentence.read_as for sentence in read] == [sentence.text for sentence in read]


def test_a_quote_that_holds_the_head_is_not_given_it_again(world: World, prices: list[Chunk]) -> None:
    words = "\n".join(prices[0].text.splitlines()[:2])
    question = make_answer(world.alice, "What does it cost?", [(world.documents["prices"], words)])
    assert shown_answer(question.answer, world.viewer("alice")).citations[0].table_head == ""
