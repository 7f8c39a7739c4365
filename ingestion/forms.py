"""The forms of the Sources desk. None of them opens anything by default: who may read is always an explicit choice."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models.functions import Lower

from accounts.models import Group, User
from accounts.viewer import EVERYONE, group_principal, user_principal
from ingestion.access import NOBODY, Rule
from ingestion.explain import people_by_group
from ingestion.models import Source

MAX_PEOPLE = 200
MAX_UPLOADS = 50

SCHEDULES = [
    ("", "By hand only"),
    ("15", "Every 15 minutes"),
    ("60", "Every hour"),
    ("1440", "Every day"),
    ("10080", "Every week"),
]


if TYPE_CHECKING:
    GroupField = forms.ModelMultipleChoiceField[Group]
else:
    GroupField = forms.ModelMultipleChoiceField


class GroupChoices(GroupField):
    """Groups as check boxes, each with the number of people in it, nested groups included."""

    people: Mapping[int, int] = {}

    def label_from_instance(self, obj: Any) -> str:  # Any: Django's own signature; it is a Group
        count = self.people.get(obj.pk, 0)
        return f"{obj.name} ({count} {'person' if count == 1 else 'people'})"


class AccessRuleForm(forms.Form):
    """Who may read: everyone, chosen groups and people, or nobody yet. Nothing is chosen beforehand."""

    EVERYONE_LABEL = "Everyone who can sign in"

    who = forms.ChoiceField(label="Who may read", widget=forms.RadioSelect)
    groups = GroupChoices(
        label="Groups",
        queryset=Group.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    people = forms.CharField(
        label="People",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text="E-mail addresses, one per line or separated by commas.",
    )
    keep_out = forms.CharField(
        label="Never these people",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text="E-mail addresses of people who are kept out even when the choice above lets them in.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **kwargs)
        who = self.fields["who"]
        assert isinstance(who, forms.ChoiceField)
        who.choices = [
            ("everyone", self.EVERYONE_LABEL),
            ("chosen", "Only the groups and people I choose"),
            ("nobody", "Nobody yet"),
        ]
        who.error_messages["required"] = "Choose who may read. Nothing is shared until you do."
        groups = self.fields["groups"]
        assert isinstance(groups, GroupChoices)
        groups.people = people_by_group()
        groups.queryset = Group.objects.order_by("name")

    @property
    def known_people(self) -> list[User]:
        """The first people by name, as suggestions for the two fields that take addresses."""
        return list(User.objects.filter(is_active=True).order_by("name", "email")[:MAX_PEOPLE])

    def clean_people(self) -> list[int]:
        return _people_ids(self.cleaned_data["people"])

    def clean_keep_out(self) -> list[int]:
        return _people_ids(self.cleaned_data["keep_out"])

    def clean(self) -> dict[str, Any]:  # Any: Django's own signature
        cleaned = super().clean() or self.cleaned_data
        if "people" in self.errors or "groups" in self.errors:
            return cleaned
        if cleaned.get("who") == "chosen" and not cleaned.get("groups") and not cleaned.get("people"):
            self.add_error("who", "Choose at least one group or person, or choose “Nobody yet”.")
        return cleaned

    def rule(self) -> Rule:
        """Return the rule of a valid form."""
        data = self.cleaned_data
        deny = [user_principal(pk) for pk in data["keep_out"]]
        if data["who"] == "everyone":
            return Rule.of({EVERYONE}, deny=deny)
        if data["who"] == "nobody":
            return NOBODY
        chosen = {group_principal(group.pk) for group in data["groups"]}
        chosen |= {user_principal(pk) for pk in data["people"]}
        return Rule.of(chosen, deny=deny)


def initial_of(rule: Rule) -> dict[str, Any] | None:  # Any: form values
    """Return what an access form shows for a rule, or None for a rule with more parts than the form has.

    A dark rule has no form either: it has to be chosen anew.
    """
    denied = [p for p in rule.denials if p.startswith("user:")]
    if rule.is_dark or len(rule.clauses) > 1 or len(denied) < len(rule.denials):
        return None
    initial: dict[str, Any] = {"keep_out": _addresses(denied)}
    if not rule.clauses:
        return initial | {"who": "nobody"}
    (clause,) = rule.clauses
    if EVERYONE in clause:
        return initial | {"who": "everyone"}
    return initial | {
        "who": "chosen",
        "groups": [int(p.removeprefix("group:")) for p in clause if p.startswith("group:")],
        "people": _addresses(p for p in clause if p.startswith("user:")),
    }


class NameForm(forms.Form):
    """A source's name, how much its word counts and, for folders, its schedule."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="How people see it beside a document, such as HR policies."
    )
    sync_minutes = forms.TypedChoiceField(
        label="Look for changes",
        choices=SCHEDULES,
        required=False,
        coerce=int,
        empty_value=None,
    )
    authority = forms.TypedChoiceField(
        label="Authority",
        choices=Source.Authority.choices,
        coerce=int,
        initial=Source.Authority.ORDINARY,
        help_text="Whose word counts for more where passages answer alike. It hides nothing and opens nothing.",
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **kwargs)
        if kind == Source.Kind.UPLOAD:
            del self.fields["sync_minutes"]
        current = self.initial.get("sync_minutes")
        schedule = self.fields.get("sync_minutes")
        if isinstance(schedule, forms.ChoiceField) and current and str(current) not in dict(SCHEDULES):
            schedule.choices = [*SCHEDULES, (str(current), f"Every {current} minutes")]

    @property
    def minutes(self) -> int | None:
        """The chosen schedule of a valid form, in minutes; None means by hand."""
        chosen: int | None = self.cleaned_data.get("sync_minutes")
        return chosen


class ConnectForm(NameForm, AccessRuleForm):
    """What the first step of connecting a source asks for."""

    path = forms.CharField(
        label="Folder",
        max_length=1000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    field_order = ["name", "path", "sync_minutes", "authority", "who", "groups", "people", "keep_out"]

    def __init__(
        self, *args: Any, kind: str, roots: Iterable[str], **kwargs: Any
    ) -> None:  # Any: Django's own
        super().__init__(*args, kind=kind, **kwargs)
        if kind == Source.Kind.UPLOAD:
            del self.fields["path"]
        else:
            listed = " or ".join(roots)
            self.fields["path"].help_text = f"A folder on the server, at or under {listed}."


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFiles(forms.FileField):
    """A file field that takes several files."""

    widget = ManyFilesInput

    def clean(
        self, data: Any, initial: Any = None
    ) -> "list[UploadedFile[bytes]]":  # Any: Django's own signature
        given = (list(data) or [None]) if isinstance(data, list | tuple) else [data]
        if len(given) > MAX_UPLOADS:
            raise forms.ValidationError(f"Upload at most {MAX_UPLOADS} files at once.")
        return [super(ManyFiles, self).clean(one, initial) for one in given]


class UploadForm(AccessRuleForm):
    """Files for an upload source, and who may read them. The source's own rule holds besides."""

    EVERYONE_LABEL = "Everyone this source is shared with"

    # An empty file is refused by itself when it is taken; here it would keep the others out.
    documents = ManyFiles(
        label="Files", allow_empty_file=True, error_messages={"required": "Choose at least one file."}
    )

    field_order = ["documents", "who", "groups", "people", "keep_out"]


class ReasonForm(forms.Form):
    """Why something is done, for the audit trail."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        help_text="Kept in the audit trail.",
    )


def carried(data: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:  # Any: a QueryDict
    """Return (name, value) pairs of a submitted form for hidden fields, so that the next step submits them again."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        values = data.getlist(name) if hasattr(data, "getlist") else [data[name]] if name in data else []
        pairs += [(name, value) for value in values]
    return pairs


def _people_ids(written: str) -> list[int]:
    """Return the ids of people by their addresses. Raises ValidationError naming every address nobody has."""
    addresses = [word.strip().lower() for word in written.replace(",", "\n").replace(";", "\n").split("\n")]
    addresses = list(dict.fromkeys(filter(None, addresses)))
    if len(addresses) > MAX_PEOPLE:
        raise forms.ValidationError(f"Name at most {MAX_PEOPLE} people here; make a group for more.")
    found = dict(
        User.objects.annotate(address=Lower("email"))
        .filter(address__in=addresses)
        .values_list("address", "pk")
    )
    unknown = [address for address in addresses if address not in found]
    if unknown:
        raise forms.ValidationError(f"Nobody here has the address {', '.join(unknown)}.")
    return [found[address] for address in addresses]


def _addresses(principals: Iterable[str]) -> str:
    ids = [int(p.removeprefix("user:")) for p in principals]
    return "\n".join(User.objects.filter(pk__in=ids).order_by("email").values_list("email", flat=True))
