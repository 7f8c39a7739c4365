"""The Sources desk: health at a glance, connecting with a look beforehand, and what can be done to a source."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent
from accounts.viewer import EVERYONE, group_principal, user_principal
from ingestion.access import DARK, NOBODY, Rule, intern_policy, rule_of
from ingestion.forms import AccessRuleForm, initial_of
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun
from ingestion.progress import Progress
from ingestion.views.health import failing_items, health_of, pace_words, reach_of_sources
from tests.world import World

State, Outcome = SyncRun.State, SyncItem.Outcome


def address(name: str, source: Source) -> str:
    return reverse(f"ingestion:{name}", args=[source.public_id])


def make_run(
    source: Source, state: SyncRun.State = State.FINISHED, *, minutes_ago: int = 4, partial: bool = False
) -> SyncRun:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    is_closed = state not in SyncRun.OPEN
    return SyncRun.objects.create(
        source=source, state=state, is_listed=True, is_partial=partial, started_at=at,
        finished_at=at if is_closed else None,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """A folder with three rules and one that cannot be read."""
    settings.SOURCE_ROOTS = [tmp_path]
    files = {
        "access.yaml": "allow: [everyone]\n",
        "guide.md": "Hello.",
        "finance/access.yaml": 'allow: ["group:Finance"]\n',
        "finance/plan.txt": "Plan.",
        "broken/access.yaml": 'allow: ["group:Nobody knows"]\n',
        "broken/lost.pdf": "x",
    }
    for name, text in files.items():
        path = tmp_path / "shelf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "shelf"


ADMIN_PAGES = ["source", "source_access", "source_settings", "source_remove", "source_upload"]
ADMIN_DEEDS = ["source_sync", "source_pause", "source_resume"]


# --- The chorus ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ADMIN_PAGES)
def test_only_admins_open_the_pages_of_a_source(world: World, client: Client, name: str) -> None:
    target = address(name, world.sources["open"])
    assert client.get(target).status_code == 302
    for person in world.people:
        client.force_login(person)
        for method in (client.get, client.post) if person != world.adam else (client.get,):
            assert method(target).status_code == (200 if person == world.adam else 404)


@pytest.mark.parametrize("name", ADMIN_DEEDS)
def test_only_admins_do_things_to_a_source_and_only_by_post(world: World, client: Client, name: str) -> None:
    target = address(name, world.sources["open"])
    assert client.post(target).status_code == 302
    assert client.post(target)["Location"].startswith("/sign-in/")
    client.force_login(world.alice)
    assert client.post(target).status_code == 404
    client.force_login(world.adam)
    assert client.get(target).status_code == 405
    assert client.post(target).status_code == 302


def test_a_removed_source_is_gone_from_the_desk(world: World, client: Client) -> None:
    source = world.sources["open"]
    Source.objects.filter(pk=source.pk).update(removed_at=timezone.now())
    client.force_login(world.adam)
    assert "Handbook" not in client.get(reverse("ingestion:sources")).content.decode()
    for name in ADMIN_PAGES:
        assert client.get(address(name, source)).status_code == 404


# --- The list -----------------------------------------------------------------------------------------------------


def test_an_empty_desk_says_what_to_do(world: World, client: Client) -> None:
    Source.objects.update(removed_at=timezone.now())
    client.force_login(world.adam)
    html = client.get(reverse("ingestion:sources")).content.decode()
    assert "No sources yet" in html
    assert reverse("ingestion:connect") in html


def test_the_list_shows_documents_dark_ones_failures_and_readers(world: World, client: Client) -> None:
    run = make_run(world.sources["staff"])
    SyncItem.objects.create(
        run=run, external_id="lost.pdf", outcome=Outcome.FAILED, reason="It is encrypted."
    )
    client.force_login(world.adam)
    response = client.get(reverse("ingestion:sources"))
    totals = response.context["totals"]
    assert (totals.documents, totals.dark, totals.failing) == (9, 2, 1)
    rows = {health.source.name: health for health in response.context["healths"]}
    assert (rows["Handbook"].documents, rows["Handbook"].dark) == (4, 1)
    assert rows["Intranet"].failing == 1
    assert rows["Intranet"].freshness.level == "good"
    html = response.content.decode()
    assert "4 minutes ago" in html
    assert "hx-trigger" not in html


def test_the_list_follows_a_sync_and_stops_by_itself(world: World, client: Client) -> None:
    run = make_run(world.sources["staff"], State.RUNNING)
    for name, outcome in (("a", Outcome.DONE), ("b", Outcome.FAILED), ("c", Outcome.WAITING)):
        SyncItem.objects.create(run=run, external_id=name, outcome=outcome)
    client.force_login(world.adam)
    headers = {"HX-Request": "true", "HX-Target": "sources"}
    html = client.get(reverse("ingestion:sources"), headers=headers).content.decode()
    assert html.strip().startswith('<div id="sources" hx-get=')
    assert "2 of 3" in html
    assert "1 failed" in html
    SyncRun.objects.filter(pk=run.pk).update(state=State.FINISHED, finished_at=timezone.now())
    assert "hx-get" not in client.get(reverse("ingestion:sources"), headers=headers).content.decode()


def test_a_failure_counts_until_a_retry_went_well(world: World) -> None:
    source = world.sources["staff"]
    old, whole = make_run(source, minutes_ago=60), make_run(source)
    SyncItem.objects.create(run=old, external_id="gone.pdf", outcome=Outcome.FAILED)
    SyncItem.objects.create(run=whole, external_id="lost.pdf", outcome=Outcome.FAILED)
    assert [item.external_id for item in failing_items()] == ["lost.pdf"]
    retry = make_run(source, State.RUNNING, partial=True)
    item = SyncItem.objects.create(run=retry, external_id="lost.pdf", outcome=Outcome.WAITING)
    assert [i.pk for i in failing_items()] != [item.pk]
    assert failing_items().count() == 1
    SyncItem.objects.filter(pk=item.pk).update(outcome=Outcome.DONE)
    assert not failing_items().exists()


@pytest.mark.parametrize(
    ("state", "minutes_ago", "schedule", "level"),
    [
        (State.FINISHED, 4, None, "good"),
        (State.FINISHED, 100, 60, "good"),
        (State.FINISHED, 130, 60, "warn"),
        (State.FAILED, 4, None, "bad"),
        (State.RUNNING, 4, None, "busy"),
        (State.PAUSED, 4, None, "none"),
    ],
)
def test_freshness_is_told(
    world: World, state: SyncRun.State, minutes_ago: int, schedule: int | None, level: str
) -> None:
    source = world.sources["staff"]
    source.kind, source.sync_minutes = Source.Kind.FOLDER, schedule
    source.save(update_fields=["kind", "sync_minutes"])
    make_run(source, state, minutes_ago=minutes_ago)
    assert health_of([source])[0].freshness.level == level


def test_readers_of_a_source_are_those_who_can_read_at_least_one_document(world: World) -> None:
    sources = list(world.sources.values())
    rules = {source.policy_id: rule_of(source.policy) for source in sources}
    reaches = reach_of_sources(sources, rules)
    assert reaches[world.sources["open"].pk].people == 5
    assert reaches[world.sources["staff"].pk].people == 2
    assert reaches[world.sources["dark"].pk].people == 0


@pytest.mark.parametrize(
    ("per_second", "seconds_left", "words"),
    [
        (None, None, ""),
        (96.2, 31.4, "96 a second · 31 s left"),
        (1234.0, None, "1,234 a second"),
        (0.2, 0.1, "12 a minute · 1 s left"),
        (5.0, 600.0, "5 a second · 10 min left"),
        (1.0, 9000.0, "1 a second · 2.5 h left"),
    ],
)
def test_pace_is_told_in_words_of_fitting_size(
    per_second: float | None, seconds_left: float | None, words: str
) -> None:
    progress = Progress(
        found=9, done=1, unchanged=1, skipped=1, failed=1, removed=1, waiting=4, indexing=0, dark=0,
        per_second=per_second, seconds_left=seconds_left,
    )  # fmt: skip
    assert pace_words(progress) == words


# --- Connecting ---------------------------------------------------------------------------------------------------

CONNECT = {"name": "Shelf", "sync_minutes": "", "authority": "-1", "people": "", "keep_out": ""}


def test_connecting_chooses_nobody_by_itself(world: World, client: Client, folder: Path) -> None:
    client.force_login(world.adam)
    target = reverse("ingestion:connect_kind", args=["folder"])
    html = client.get(target).content.decode()
    assert "checked" not in html
    response = client.post(target, {**CONNECT, "path": str(folder), "step": "connect"})
    assert response.status_code == 422
    assert "Nothing is shared until you do" in response.content.decode()
    assert not Source.objects.filter(name="Shelf").exists()


def test_the_preview_shows_who_would_read_what_and_stores_nothing(
    world: World, client: Client, folder: Path
) -> None:
    client.force_login(world.adam)
    policies, recorded = AccessPolicy.objects.count(), AuditEvent.objects.count()
    data = {**CONNECT, "path": str(folder), "who": "chosen", "groups": [world.groups["Staff"].pk]}
    response = client.post(reverse("ingestion:connect_kind", args=["folder"]), data)
    preview = response.context["preview"]
    assert (preview.documents, preview.dark) == (3, 1)
    readers = {d.name: (d.readers.count, d.readers.names) for d in preview.sample}
    assert readers == {
        "guide.md": (2, ("Alice", "Bob")), "finance/plan.txt": (1, ("Alice",)), "broken/lost.pdf": (0, ()),
    }  # fmt: skip
    html = response.content.decode()
    assert "broken/access.yaml, line 1" in html
    assert "Nothing is stored yet" in html
    assert not Source.objects.filter(name="Shelf").exists()
    assert (AccessPolicy.objects.count(), AuditEvent.objects.count()) == (policies, recorded)


def test_the_third_step_connects_with_what_the_first_said(world: World, client: Client, folder: Path) -> None:
    client.force_login(world.adam)
    target = reverse("ingestion:connect_kind", args=["folder"])
    data = {
        **CONNECT, "path": str(folder), "sync_minutes": "60", "who": "chosen", "groups": [world.groups["Staff"].pk],
        "people": "charlie@example.org", "keep_out": "bob@example.org",
    }  # fmt: skip
    preview = client.post(target, data)
    assert "Authority: Informal" in preview.content.decode()
    carried = preview.context["carried"]
    again: dict[str, list[str]] = {"step": ["connect"]}
    for name, value in carried:
        again.setdefault(name, []).append(value)
    response = client.post(target, again)
    source = Source.objects.get(name="Shelf")
    assert response["Location"] == reverse("ingestion:run", args=[source.runs.get().public_id])
    assert (source.kind, source.path, source.sync_minutes) == ("folder", str(folder.resolve()), 60)
    assert source.authority == Source.Authority.INFORMAL
    staff = group_principal(world.groups["Staff"].pk)
    assert rule_of(source.policy) == Rule.of(
        {staff, user_principal(world.charlie.pk)}, deny={user_principal(world.bob.pk)}
    )


def test_going_back_keeps_what_was_written(world: World, client: Client, folder: Path) -> None:
    client.force_login(world.adam)
    data = {**CONNECT, "path": str(folder), "who": "everyone", "step": "change"}
    html = client.post(reverse("ingestion:connect_kind", args=["folder"]), data).content.decode()
    assert f'value="{folder}"' in html
    assert not Source.objects.filter(name="Shelf").exists()


@pytest.mark.parametrize("path", ["/etc", "relative", "/does/not/exist", ""])
def test_a_folder_that_cannot_be_used_is_said_at_its_field(
    world: World, client: Client, folder: Path, path: str
) -> None:
    client.force_login(world.adam)
    response = client.post(
        reverse("ingestion:connect_kind", args=["folder"]), {**CONNECT, "path": path, "who": "everyone"}
    )
    assert response.status_code == 422
    assert response.context["form"].errors["path"]


def test_a_name_that_is_taken_is_said_before_the_preview(world: World, client: Client, folder: Path) -> None:
    client.force_login(world.adam)
    data = {**CONNECT, "name": "handbook", "path": str(folder), "who": "everyone"}
    response = client.post(reverse("ingestion:connect_kind", args=["folder"]), data)
    assert response.context["form"].errors["name"] == ["There is already a source of this name."]


def test_a_place_for_uploads_is_connected(world: World, client: Client) -> None:
    client.force_login(world.adam)
    target = reverse("ingestion:connect_kind", args=["upload"])
    data = {"name": "Drawer", "authority": "0", "who": "nobody", "people": "", "keep_out": ""}
    assert "Nobody will be able to read" in client.post(target, data).content.decode()
    response = client.post(target, {**data, "step": "connect"})
    source = Source.objects.get(name="Drawer")
    assert response["Location"] == address("source", source)
    assert rule_of(source.policy) == NOBODY


def test_an_unknown_kind_is_not_found(world: World, client: Client) -> None:
    client.force_login(world.adam)
    assert client.get(reverse("ingestion:connect_kind", args=["gopher"])).status_code == 404


# --- The access form ----------------------------------------------------------------------------------------------


def form_for(world: World, **data: object) -> AccessRuleForm:
    return AccessRuleForm({"people": "", "keep_out": "", **data})


def test_an_unknown_address_is_named(world: World) -> None:
    form = form_for(world, who="chosen", people="alice@example.org, eve@example.org")
    assert not form.is_valid()
    assert form.errors["people"] == ["Nobody here has the address eve@example.org."]


def test_choosing_without_a_choice_is_not_everyone(world: World) -> None:
    form = form_for(world, who="chosen")
    assert not form.is_valid()
    assert "at least one group or person" in form.errors["who"][0]


@pytest.mark.parametrize("who", ["everyone", "nobody", "chosen"])
def test_a_form_filled_from_a_rule_gives_the_rule_again(world: World, who: str) -> None:
    rule = {
        "everyone": Rule.of({EVERYONE}, deny={user_principal(world.bob.pk)}),
        "nobody": NOBODY,
        "chosen": Rule.of({group_principal(world.groups["Budget"].pk), user_principal(world.charlie.pk)}),
    }[who]
    initial = initial_of(rule)
    assert initial is not None
    form = AccessRuleForm({"people": "", "keep_out": "", **initial})
    assert form.is_valid(), form.errors
    assert form.rule() == rule


def test_a_rule_the_form_cannot_show_is_not_shown_as_another(world: World) -> None:
    budget, staff = (group_principal(world.groups[name].pk) for name in ("Budget", "Staff"))
    assert initial_of(Rule.of({budget}, {staff})) is None
    assert initial_of(Rule.of({staff}, deny={budget})) is None
    assert initial_of(DARK) is None


# --- One source ---------------------------------------------------------------------------------------------------


def test_a_source_shows_its_documents_by_name_and_rule_and_never_by_text(
    world: World, client: Client
) -> None:
    client.force_login(world.adam)
    html = client.get(address("source", world.sources["staff"])).content.decode()
    assert "Investigation" in html
    assert "Members of Budget, but not Bob" in html
    for document in world.documents.values():
        assert document.current_version is not None
        assert document.current_version.text[:40] not in html


def test_documents_are_found_by_name_and_filtered(world: World, client: Client) -> None:
    Document.objects.filter(pk=world.documents["private"].pk).update(is_superseded=True)
    client.force_login(world.adam)
    target = address("source", world.sources["open"])

    def shown(query: str) -> set[str]:
        return {row[0].external_id for row in client.get(f"{target}?{query}").context["rows"]}

    assert shown("q=WELC") == {"welcome.md"}
    assert shown("q=nothing+like+it") == set()
    assert shown("show=dark") == {"dark.md"}
    assert shown("show=superseded") == {"private.md"}
    assert shown("show=failed") == set()
    assert len(shown("show=bogus")) == 4


def test_a_file_that_failed_before_it_became_a_document_is_shown(world: World, client: Client) -> None:
    run = make_run(world.sources["open"])
    SyncItem.objects.create(
        run=run, external_id="locked.pdf", outcome=Outcome.FAILED, reason="It is encrypted."
    )
    client.force_login(world.adam)
    html = client.get(address("source", world.sources["open"]) + "?show=failed").content.decode()
    assert "locked.pdf" in html
    assert "It is encrypted." in html


def test_a_source_tells_its_table_when_the_sync_has_ended(world: World, client: Client) -> None:
    source = world.sources["open"]
    run = make_run(source, State.RUNNING)
    client.force_login(world.adam)
    headers = {"HX-Request": "true", "HX-Target": "now"}
    during = client.get(address("source", source), headers=headers)
    assert "every 2s" in during.content.decode()
    assert "HX-Trigger" not in during
    SyncRun.objects.filter(pk=run.pk).update(state=State.FINISHED, finished_at=timezone.now())
    after = client.get(address("source", source), headers=headers)
    assert "every 2s" not in after.content.decode()
    assert after["HX-Trigger"] == "synced"


def test_a_change_of_access_is_shown_before_it_is_made_and_holds_at_once(
    world: World, client: Client
) -> None:
    source = world.sources["open"]
    target = address("source_access", source)
    client.force_login(world.adam)
    data = {
        "who": "chosen", "groups": [world.groups["Budget"].pk], "people": "", "keep_out": "", "reason": "Audit 12",
    }  # fmt: skip
    preview = client.post(target, data)
    assert {person.email for person in preview.context["losing"]} == {
        "charlie@example.org", "dana@example.org", "adam@example.org",
    }  # fmt: skip
    source.refresh_from_db()
    assert rule_of(source.policy) == Rule.of({EVERYONE})
    assert Document.objects.visible_to(world.viewer("charlie")).exists()
    assert client.post(target, {**data, "step": "change"}).status_code == 302
    assert not Document.objects.visible_to(world.viewer("charlie")).exists()
    event = AuditEvent.objects.get(type="source.changed")
    assert (event.actor, event.reason) == (f"user:{world.adam.pk}", "Audit 12")


def test_settings_are_kept(world: World, client: Client) -> None:
    source = world.sources["open"]
    client.force_login(world.adam)
    taken = client.post(address("source_settings", source), {"name": "Intranet", "authority": "0"})
    assert taken.status_code == 422
    kept = {"name": "Staff handbook", "authority": "1"}
    assert client.post(address("source_settings", source), kept).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.authority) == ("Staff handbook", 1)
    assert "Authoritative" in client.get(address("source", source)).content.decode()
    settings = client.get(address("source_settings", source)).content.decode()
    assert '<option value="1" selected>Authoritative' in settings


def test_settings_without_an_authority_change_nothing(world: World, client: Client) -> None:
    source = world.sources["open"]
    client.force_login(world.adam)
    for authority in ({}, {"authority": "2"}, {"authority": "high"}):
        response = client.post(address("source_settings", source), {"name": "Other", **authority})
        assert response.status_code == 422
    source.refresh_from_db()
    assert (source.name, source.authority) == ("Handbook", 0)
    assert not AuditEvent.objects.filter(type="source.changed").exists()


def test_a_source_is_paused_and_goes_on(world: World, client: Client) -> None:
    source = world.sources["open"]
    client.force_login(world.adam)
    for name, expected in (("source_pause", True), ("source_pause", True), ("source_resume", False)):
        client.post(address(name, source))
        source.refresh_from_db()
        assert source.is_paused is expected


def test_removing_asks_first_and_then_nobody_reads(world: World, client: Client) -> None:
    source = world.sources["open"]
    client.force_login(world.adam)
    html = client.get(address("source_remove", source)).content.decode()
    assert "Remove Handbook?" in html
    source.refresh_from_db()
    assert source.removed_at is None
    assert client.post(address("source_remove", source), {"reason": "closed"}).status_code == 302
    assert not Document.objects.visible_to(world.viewer("alice")).filter(source=source).exists()


# --- Uploads ------------------------------------------------------------------------------------------------------


def test_an_upload_needs_files_and_a_choice(world: World, client: Client) -> None:
    client.force_login(world.adam)
    target = address("source_upload", world.sources["open"])
    response = client.post(target, {"people": "", "keep_out": ""})
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"documents", "who"}
    assert not SyncItem.objects.exists()


def test_files_are_taken_and_a_bad_one_does_not_keep_the_others_out(world: World, client: Client) -> None:
    client.force_login(world.adam)
    source = world.sources["open"]
    files = [
        SimpleUploadedFile("a.md", b"One."),
        SimpleUploadedFile("b.md", b""),
        SimpleUploadedFile("c.txt", b"2"),
    ]
    response = client.post(
        address("source_upload", source),
        {
            "documents": files,
            "who": "chosen",
            "groups": [world.groups["Budget"].pk],
            "people": "",
            "keep_out": "",
        },
    )
    run = source.runs.get()
    assert response["Location"] == reverse("ingestion:run", args=[run.public_id])
    assert set(run.items.values_list("external_id", flat=True)) == {"a.md", "c.txt"}
    policies = {item.policy for item in run.items.all()}
    assert policies == {intern_policy(Rule.of({group_principal(world.groups["Budget"].pk)}))}
    assert "b.md was not taken" in client.get(response["Location"]).content.decode()


def test_a_folder_takes_no_uploads(world: World, client: Client) -> None:
    Source.objects.filter(pk=world.sources["open"].pk).update(kind=Source.Kind.FOLDER)
    client.force_login(world.adam)
    assert client.get(address("source_upload", world.sources["open"])).status_code == 404
