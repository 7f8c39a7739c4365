"""The forms of the account, people, group and audit pages. Rules that hold on every path live in the actions."""

from typing import Any

from django import forms

from accounts.audit import EVENT_TYPES

# Far above any real password: it only keeps somebody from making the server hash a megabyte.
_LONGEST_PASSWORD = 1000


def _password_field(label: str, autocomplete: str, **options: Any) -> forms.CharField:  # Any: field options
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, widget=widget, max_length=_LONGEST_PASSWORD, strip=False, **options)


class SignInForm(forms.Form):
    """E-mail and password. What is wrong with them is never said in more detail than that they do not match."""

    email = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = _password_field("Password", "current-password")


class OwnPasswordForm(forms.Form):
    """A person's own change of password."""

    current = _password_field("Current password", "current-password")
    password = _password_field(
        "New password", "new-password", help_text="At least 10 characters. A few words make a good one."
    )
    again = _password_field("New password again", "new-password")

    def clean(self) -> dict[str, Any]:  # Any: Django's own signature
        cleaned = super().clean() or {}
        if cleaned.get("password") != cleaned.get("again") and "again" in cleaned:
            self.add_error("again", "This differs from the new password above.")
        return cleaned


class PasswordForm(forms.Form):
    """A password set by an administrator."""

    password = _password_field(
        "New password", "new-password", help_text="At least 10 characters. Signs them out everywhere."
    )


class PersonForm(forms.Form):
    """A person's particulars and roles."""

    name = forms.CharField(
        label="Name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    job_title = forms.CharField(label="Job title", max_length=120, required=False)
    is_admin = forms.BooleanField(
        label="Administrator",
        required=False,
        help_text="Connects sources, manages people and groups. Reads documents by grant, like everyone.",
    )
    is_auditor = forms.BooleanField(
        label="Auditor",
        required=False,
        help_text="Sees how every answer came about. Reads documents by grant, like everyone.",
    )


class NewPersonForm(forms.Form):
    """Somebody who is not here yet."""

    name = forms.CharField(
        label="Name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    job_title = forms.CharField(label="Job title", max_length=120, required=False)
    password = _password_field(
        "First password",
        "new-password",
        help_text="At least 10 characters. They can change it on their account page.",
    )
    is_admin = forms.BooleanField(
        label="Administrator", required=False, help_text="Connects sources, manages people and groups."
    )
    is_auditor = forms.BooleanField(
        label="Auditor", required=False, help_text="Sees how every answer came about."
    )


class GroupForm(forms.Form):
    """A group's name and description."""

    name = forms.CharField(
        label="Name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    description = forms.CharField(
        label="Description", max_length=300, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class PeopleFilterForm(forms.Form):
    """What the list of people is narrowed to."""

    q = forms.CharField(required=False, max_length=200)
    show = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Everyone active"),
            ("admins", "Administrators"),
            ("auditors", "Auditors"),
            ("inactive", "Deactivated"),
        ],
        widget=forms.Select(attrs={"aria-label": "Show"}),
    )


class EventFilterForm(forms.Form):
    """What the table of audit events is narrowed to."""

    type = forms.ChoiceField(required=False, label="What was done")
    actor = forms.CharField(required=False, max_length=254, label="By whom")
    subject = forms.CharField(required=False, max_length=300, label="To what")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **kwargs)
        families: dict[str, list[tuple[str, str]]] = {}
        for kind, sentence in EVENT_TYPES.items():
            family = kind.partition(".")[0]
            families.setdefault(
                family, [(family, f"Everything about {_PLURALS.get(family, family)}")]
            ).append((kind, sentence.rstrip(".")))
        choices: list[Any] = [("", "Everything")]  # Any: Django accepts groups among choices
        choices += [(_PLURALS.get(family, family).capitalize(), kinds) for family, kinds in families.items()]
        field = self.fields["type"]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


_PLURALS = {
    "session": "signing in and out",
    "person": "people",
    "group": "groups",
    "source": "sources",
    "sync": "syncs",
    "document": "documents",
    "documents": "the purge",
    "question": "questions",
    "answer": "answers",
    "citation": "footnotes",
    "conversation": "conversations",
    "audit": "the audit",
    "demo": "the demo",
}
