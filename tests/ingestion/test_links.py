"""Links between documents: what the parsers find, and which document of the source each points at."""

from pathlib import Path

import pytest

from ingestion.links import linked_names, spelled_out, target_of
from ingestion.models import Chunk
from ingestion.parsing import parse
from tests.ingestion.installation import Installation, installation

__all__ = ["installation"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("limits.md", "travel/limits.md"),
        ("./limits.md#hotels", "travel/limits.md"),
        ("../leave/parents.html?print=1", "leave/parents.html"),
        ("/leave/a%20day.md", "leave/a day.md"),
        ("sub\\page.md", "travel/sub/page.md"),
        ("#hotels", ""),
        ("", ""),
        ("../../outside.md", ""),
        ("..", ""),
        ("https://example.org/limits.md", ""),
        ("//example.org/limits.md", ""),
        ("mailto:hr@example.org", ""),
        ("javascript:alert(1)", ""),
        ("http://[broken", ""),
    ],
)
def test_a_link_is_a_name_within_the_source_or_nothing(written: str, name: str) -> None:
    assert target_of(written, "travel/policy.md") == name


def test_only_the_links_of_a_passage_count_each_once_and_never_the_document_itself() -> None:
    links = [(0, "a.md"), (10, "b.md"), (12, "b.md#x"), (15, "policy.md"), (20, "c.md")]
    assert linked_names(links, 10, 20, "policy.md") == ["b.md"]


def test_a_name_without_an_ending_may_be_a_page_or_a_folder() -> None:
    assert spelled_out("travel/limits.md") == ("travel/limits.md",)
    assert {"travel/limits", "travel/limits.md", "travel/limits/index.md"} <= set(
        spelled_out("travel/limits")
    )


MARKDOWN = """# Travel

Before you book, read [the limits](limits.md).

| Where | Rule |
| --- | --- |
| Abroad | [abroad](../abroad/rules.md) |

Nothing here.
"""
HTML = """<html><body><h1>Travel</h1><p>Before you book, read <a href="limits.html">the limits</a>.</p>
<table><tr><th>Where</th><th>Rule</th></tr><tr><td>Abroad</td><td><a href="../abroad/rules.html">abroad</a></td></tr></table>
<nav role="navigation"><a href="everything.html">Everything</a></nav><p>Nothing here.</p></body></html>"""


@pytest.mark.parametrize(("name", "content"), [("policy.md", MARKDOWN), ("policy.html", HTML)])
def test_links_are_found_where_they_stand(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    parsed = parse(file, name)
    ending = name.rpartition(".")[2]
    places = {target: parsed.text[place:].partition("\n")[0] for place, target in parsed.links}
    assert set(places) == {f"limits.{ending}", f"../abroad/rules.{ending}"}
    assert "read the limits" in places[f"limits.{ending}"]
    assert "abroad" in places[f"../abroad/rules.{ending}"].lower()


def test_a_synced_passage_keeps_the_documents_that_its_words_link_to(installation: Installation) -> None:
    installation.write("travel/policy.md", MARKDOWN)
    installation.sync(installation.connect())
    (chunk,) = Chunk.objects.filter(version__document__external_id="travel/policy.md")
    assert chunk.links == ["travel/limits.md", "abroad/rules.md"]
