"""The form that narrows the table of questions and answers."""

from django import forms

from assistant.models import Question
from ingestion.models import Source


class QuestionFilterForm(forms.Form):
    """What the table of questions and answers is narrowed to."""

    text = forms.CharField(required=False, max_length=200, label="Words in the question")
    person = forms.CharField(required=False, max_length=254, label="Asked by")
    outcome = forms.ChoiceField(
        required=False,
        label="Outcome",
        choices=[("", "Any"), *((state.value, state.label.capitalize()) for state in Question.State)],
    )
    feedback = forms.ChoiceField(
        required=False,
        label="Feedback",
        choices=[("", "Any"), ("good", "Good"), ("bad", "Not right"), ("none", "None given")],
    )
    source = forms.ModelChoiceField(
        Source.objects.all(),
        required=False,
        label="Source cited",
        to_field_name="public_id",
        empty_label="Any",
    )
    document = forms.CharField(required=False, max_length=300, label="Document cited")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
