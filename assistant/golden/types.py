"""The values that travel between the forms, the import and the actions of golden questions."""

from dataclasses import dataclass

from accounts.models import User


class NotPossible(Exception):
    """A golden question or a run that cannot be had like this. The message is a sentence for the administrator."""


@dataclass(frozen=True)
class Entry:
    """A golden question as somebody gives it. `documents` are public ids of documents, as text."""

    text: str
    asker: User
    expected_outcome: str = "answered"
    documents: tuple[str, ...] = ()
    words: str = ""
