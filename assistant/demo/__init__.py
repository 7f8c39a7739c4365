"""The demo organisation: an invented company with people, groups and documents of every kind of access rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.db.models import Q

from accounts.actions import add_to_group, create_group, create_person, nest_group
from accounts.audit import By, record
from accounts.models import AuditEvent, Group, User
from accounts.viewer import EVERYONE, viewer_of
from assistant.demo.golden import keep_golden_questions
from ingestion import actions, listing, pipeline
from ingestion.access import Rule
from ingestion.models import Document, Source, SyncItem, SyncRun
from ingestion.progress import Progress, progress_of
from ingestion.sources.folder import check_root, list_folder
from ingestion.types import Found

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
SOURCE_NAME = "Halden Instruments"
PASSWORD = "footnote-demo"  # noqa: S105 - printed for everybody who starts the demo
BY = By.system("demo")

Say = Callable[[str], None]


class DemoRefused(Exception):
    """The demo cannot be loaded into this installation; the message says why."""


@dataclass(frozen=True)
class DemoPerson:
    """Somebody of the demo who can sign in, and in a few words what they may read."""

    email: str
    name: str
    job_title: str
    reads: str


def load(say: Say) -> bool:
    """Load the demo organisation, or what is missing of it, and return whether anything had to be done.

    Raises DemoRefused when groups of the same names exist already: the demo's people, with a password that everybody
    knows, must not become members of groups that somebody else made.
    """
    is_new = not is_loaded()
    if is_new:
        written = _written()
        _refuse_foreign_groups([entry["name"] for entry in written["groups"]])
        _make_people(written["people"])
        _make_groups(written["groups"])
        say(f"{len(written['people'])} people and {len(written['groups'])} groups are there.")
    source = _source()
    is_current = not is_new and _is_up_to_date(source)
    if not is_current:
        _sync(source, say)
    if is_new:
        kept = keep_golden_questions(BY, source, (HERE / "questions.yaml").read_text(encoding="utf-8"))
        say(f"{kept} golden questions are kept.")
        record(
            "demo.loaded", by=BY, subject=f"source:{source.public_id}", subject_label=source.name,
            details={"documents": source.documents.filter(removed_at__isnull=True).count()},
        )  # fmt: skip
    return not is_current


def is_loaded() -> bool:
    """Return whether the demo organisation has been loaded and its source is still connected."""
    return (
        AuditEvent.objects.filter(type="demo.loaded").exists()
        and Source.objects.current().filter(name=SOURCE_NAME).exists()
    )


def is_wanted() -> bool:
    """Return whether a first start should load the demo: never twice, and not beside an organisation of your own.

    A load that was cut off is still wanted: its people are there, the event that ends it is not.
    """
    if AuditEvent.objects.filter(type="demo.loaded").exists():
        return False
    emails = [entry["email"] for entry in _written()["people"]]
    return not User.objects.exclude(email__in=emails).exists()


def who_can_sign_in() -> list[DemoPerson]:
    """Return the demo's people with what they may read now; empty when the demo is not loaded."""
    if not is_loaded():
        return []
    emails = [entry["email"] for entry in _written()["people"]]
    total = Document.objects.current().filter(current_version__isnull=False).count()
    people = []
    for user in User.objects.filter(email__in=emails, is_active=True).order_by("pk"):
        count = Document.objects.visible_to(viewer_of(user)).count()
        roles = [name for name, has in (("administers", user.is_admin), ("audits", user.is_auditor)) if has]
        groups = list(user.groups.order_by("name").values_list("name", flat=True))
        reads = f"reads {count} of {total} documents ({', '.join(groups) or 'no group'})"
        people.append(DemoPerson(user.email, user.name, user.job_title, ", ".join([reads, *roles])))
    return people


def _written() -> dict[str, Any]:  # Any: what the YAML file holds
    written: dict[str, Any] = yaml.safe_load((HERE / "people.yaml").read_text(encoding="utf-8"))
    return written


def _refuse_foreign_groups(names: list[str]) -> None:
    for group in Group.objects.filter(name__in=names):
        made_here = AuditEvent.objects.filter(
            Q(type="group.created"), subject=group.subject, actor=BY.actor, actor_label=BY.label
        )
        if not made_here.exists():
            raise DemoRefused(
                f"There is already a group called {group.name} here. The demo is meant for an empty installation: "
                "set FOOTNOTE_DATA_DIR to a new folder and load it there."
            )


def _make_people(entries: list[dict[str, Any]]) -> None:  # Any: as above
    for entry in entries:
        if not User.objects.filter(email__iexact=entry["email"]).exists():
            create_person(
                by=BY, email=entry["email"], name=entry["name"], job_title=entry["title"], password=PASSWORD,
                is_admin="admin" in entry["roles"], is_auditor="auditor" in entry["roles"],
            )  # fmt: skip


def _make_groups(entries: list[dict[str, Any]]) -> None:  # Any: as above
    for entry in entries:
        if not Group.objects.filter(name=entry["name"]).exists():
            create_group(by=BY, name=entry["name"], description=entry["description"])
    for entry in entries:
        group = Group.objects.get(name=entry["name"])
        for name in entry["groups"]:
            nest_group(by=BY, parent=group, child=Group.objects.get(name=name))
        for email in entry["people"]:
            add_to_group(by=BY, group=group, person=User.objects.get(email__iexact=email))


def _source() -> Source:
    found = Source.objects.current().filter(name=SOURCE_NAME).first()
    if found is not None:
        source: Source = found
        return source
    # The source lets everyone in; the access.yaml files in its folders say who may read what.
    return actions.connect_source(
        by=BY, kind=Source.Kind.FOLDER, name=SOURCE_NAME, path=str(CORPUS), rule=Rule.of({EVERYONE})
    )


def _is_up_to_date(source: Source) -> bool:
    """Return whether the corpus is as it was read, by names, rules and times: no file is opened."""
    documents = {
        document.external_id: document
        for document in source.documents.filter(removed_at__isnull=True).select_related("current_version")
    }
    policies = listing.Policies()
    for entry in list_folder(check_root(source.path)):
        if not isinstance(entry, Found):
            continue
        document = documents.pop(entry.external_id, None)
        if document is None or document.current_version is None:
            return False
        is_newer = entry.modified > document.current_version.created_at
        if is_newer or document.policy_id != policies.of(entry.rule).pk:
            return False
    return not documents


def _sync(source: Source, say: Say) -> None:
    run = source.runs.filter(state__in=SyncRun.OPEN).first()
    if run is None:
        run = actions.request_sync(by=BY, source=source)
    for progress in _carried_out(run):
        say(f"{progress.finished} of {progress.found} documents")
    run.refresh_from_db()
    progress = progress_of(run)
    if run.state != SyncRun.State.FINISHED:
        raise DemoRefused(run.error or f"The sync of {source.name} is {run.get_state_display()}.")
    say(
        f"{progress.found} documents: {progress.done} read, {progress.unchanged} unchanged, {progress.removed} removed, "
        f"{progress.skipped} skipped, {progress.failed} failed."
    )
    for item in run.items.filter(outcome__in=[SyncItem.Outcome.FAILED, SyncItem.Outcome.SKIPPED]):
        say(f"{item.external_id}: {item.reason}")
    if run.note:
        say(run.note)


def _carried_out(run: SyncRun) -> Iterator[Progress]:
    """Carry out a run and yield its progress whenever another tenth of it is finished."""
    told = -1
    for _ in pipeline.sync(run.pk):
        progress = progress_of(run)
        if progress.found and progress.finished * 10 // progress.found > told:
            told = progress.finished * 10 // progress.found
            yield progress
