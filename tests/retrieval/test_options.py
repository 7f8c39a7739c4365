"""Options: one value for how retrieval works, read from a line of text and written as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.options import CHOICES, Options, UnknownOption

chosen = st.fixed_dictionaries({}, optional={name: st.sampled_from(words) for name, words in CHOICES.items()})


@given(chosen)
def test_what_is_written_is_read_again(words: dict[str, str]) -> None:
    options = Options.parse(" ".join(f"{name}={word}" for name, word in words.items()))
    assert Options.parse(str(options)) == options


def test_only_what_differs_from_the_standard_is_written() -> None:
    assert str(Options()) == ""
    assert str(Options.parse("fusion=rrf bridge=off reranking=features")) == "fusion=rrf bridge=off"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fuson=rrf", "no option “fuson”. It has planning, fusion"),
        ("fusion=best", "“fusion” takes shares, min-max, rrf, dense, keyword, not “best”"),
        ("bridge", "“bridge” takes on, off, not “”"),
    ],
)
def test_an_unknown_option_or_value_is_refused_with_what_there_is(text: str, says: str) -> None:
    with pytest.raises(UnknownOption, match=says):
        Options.parse(text)
