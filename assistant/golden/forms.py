"""The forms of the Evaluation pages."""

from typing import Any

from django import forms

from accounts.models import User
from assistant.choices import usable_choices
from assistant.golden.importing import LONGEST_QUESTION, LONGEST_WORDS
from assistant.golden.models import GoldenQuestion
from assistant.golden.types import Entry
from retrieval.options import Options

# What each of retrieval's options is called, and its words, for people.
NAMES = {
    "planning": "Planning",
    "fusion": "Fusion",
    "bridge": "Bridges by title",
    "second_search": "Second search",
    "sentences": "Nearest sentence",
    "reranking": "Reranking",
    "sufficiency": "Search for what lacks",
    "spelling": "Misspelled words",
    "synonyms": "Other words",
}


class GoldenQuestionForm(forms.Form):
    """A golden question without its documents, which are picked beside it."""

    text = forms.CharField(
        label="Question", max_length=LONGEST_QUESTION, widget=forms.Textarea(attrs={"rows": 3})
    )
    asker = forms.EmailField(
        label="Asked as",
        help_text="The e-mail address of the person with whose rights it is asked, each time as they are then.",
        widget=forms.EmailInput(attrs={"list": "people", "autocomplete": "off"}),
    )
    expected_outcome = forms.ChoiceField(
        label="How it should end", choices=GoldenQuestion.Outcome.choices, widget=forms.RadioSelect,
        initial=GoldenQuestion.Outcome.ANSWERED,
    )  # fmt: skip
    words = forms.CharField(
        label="Words in the answer",
        max_length=LONGEST_WORDS,
        required=False,
        help_text="A good answer holds them, in any case and spacing. Everybody who administers sees them here.",
    )

    def clean_asker(self) -> User:
        address = self.cleaned_data["asker"]
        found = User.objects.filter(email__iexact=address, is_active=True).first()
        if found is None:
            raise forms.ValidationError(f"Nobody with the address {address} can sign in.")
        return found

    def entry(self, documents: tuple[str, ...]) -> Entry:
        """Return what was given, with the documents picked beside it. For a valid form."""
        given = self.cleaned_data
        return Entry(
            " ".join(given["text"].split()), given["asker"], given["expected_outcome"], documents,
            " ".join(given["words"].split()),
        )  # fmt: skip


class StartForm(forms.Form):
    """How retrieval is to work in a run, one field per option, and what to call it."""

    label = forms.CharField(
        label="Name of this run",
        max_length=120,
        required=False,
        help_text="What you are trying, in a few words.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **kwargs)
        configured = Options.configured()
        for name, words in usable_choices().items():
            value = getattr(configured, name)
            self.fields[name] = forms.ChoiceField(
                label=NAMES.get(name, name.replace("_", " ").capitalize()),
                choices=[(word, word) for word in words],
                initial=("on" if value else "off") if isinstance(value, bool) else value,
            )

    def options(self) -> Options:
        """Return the options that were chosen. For a valid form."""
        return Options.parse(" ".join(f"{name}={self.cleaned_data[name]}" for name in usable_choices()))


class ImportForm(forms.Form):
    """A file of golden questions."""

    file = forms.FileField(
        label="File",
        widget=forms.ClearableFileInput(
            attrs={"accept": ".csv,.jsonl,.json,.txt,text/csv,application/x-ndjson"}
        ),
    )
