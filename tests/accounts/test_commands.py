"""The commands on people and the audit, as an operator types them."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.audit import By, record
from accounts.models import AuditEvent, User
from accounts.triggers import is_protected, lift
from accounts.verification import last_verification

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def tamper() -> None:
    for n in range(3):
        record("demo.loaded", by=By.system("tests"), subject=f"demo:{n}")
    lift(connection, "accounts_auditevent")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET reason = 'x' WHERE position = 2")


def test_create_person_reads_the_password_from_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    said = run("create_person", "Ann@Example.org", "--name", "Ann Lee", "--admin", "--auditor")
    assert said == "Ann Lee <ann@example.org> can sign in as administrator and auditor.\n"
    ann = User.objects.get(email="ann@example.org")
    assert ann.check_password("correct horse battery")
    assert (ann.is_admin, ann.is_auditor) == (True, True)
    assert AuditEvent.objects.get().actor_label == "manage.py create_person"


@pytest.mark.parametrize(("line", "words"), [("", "No password came in"), ("short\n", "too short")])
def test_create_person_says_what_is_wrong_with_a_password(
    monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    with pytest.raises(CommandError, match=words):
        run("create_person", "ann@example.org")
    assert not User.objects.exists()


def test_verify_audit_says_that_all_is_well_and_remembers_having_looked() -> None:
    record("demo.loaded", by=By.system("tests"), subject="demo:1")
    assert "Audit events: 1 checked, intact." in run("verify_audit")
    last = last_verification()
    assert last is not None
    assert (last.by, last.checked, last.was_intact, last.position) == ("manage.py verify_audit", 1, True, 1)


def test_verify_audit_names_what_disagrees_and_fails() -> None:
    tamper()
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 disagreements") as failure:
        call_command("verify_audit", stdout=out)
    assert failure.value.returncode == 1
    assert "NOT INTACT" in out.getvalue()
    assert "  2: Event 2 was changed after it was written" in out.getvalue()
    last = last_verification()
    assert last is not None
    assert last.found == 2


def test_verify_audit_speaks_json() -> None:
    tamper()
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--json", stdout=out)
    report = json.loads(out.getvalue())[0]
    assert (report["name"], report["checked"], report["is_intact"], report["found"]) == (
        "audit events",
        3,
        False,
        2,
    )
    assert report["disagreements"][0]["position"] == 2


def test_verify_audit_puts_lost_triggers_back_when_asked() -> None:
    lift(connection, "accounts_auditevent")
    assert "intact" in run("verify_audit", "--protect")
    assert is_protected(connection, "accounts_auditevent")


def test_export_audit_writes_a_bundle_that_holds_its_own_export(tmp_path: Path) -> None:
    record("demo.loaded", by=By.system("tests"), subject="demo:1")
    target = tmp_path / "audit.zip"
    assert "2 events written" in run("export_audit", str(target))
    lines = zipfile.ZipFile(target).read("events.jsonl").splitlines()
    assert json.loads(lines[-1])["type"] == "audit.exported"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.zip"]


def test_export_audit_overwrites_nothing_and_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_text("precious")
    with pytest.raises(CommandError, match="exists already"):
        run("export_audit", str(tmp_path / "there.zip"))
    assert (tmp_path / "there.zip").read_text() == "precious"
    with pytest.raises(CommandError, match="cannot be written"):
        run("export_audit", str(tmp_path / "nowhere" / "audit.zip"))
    assert not AuditEvent.objects.exists()
