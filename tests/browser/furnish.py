"""Fills the data folder of the browser tests' server with people and documents, or changes who is in which group.

Run as `python -m tests.browser.furnish`, in a process of its own: the tests' own process keeps its own database.
"""

import os
import sys
from pathlib import Path

PASSWORD = "correct horse battery"

LEAVE = """# Annual leave

## Entitlement

Every employee has 28 days of annual leave in each calendar year. Part-time employees have the same share of it.

## Carrying leave over

Up to five days of annual leave can be carried over into the next year. They expire at the end of March.

## Requesting leave

Annual leave is requested from the line manager at least two weeks before it begins.
"""
OFFICE = """<!doctype html><title>Office guide, Leeds</title><h1>Office guide, Leeds</h1>
<h2>Opening hours</h2><p>The reception of the Leeds office opens at eight in the morning and closes at six.</p>
<h2>Parking</h2><p>Visitors park in the yard behind the building; a permit is handed out at the reception.</p>
"""
BUDGET = """# Travel budget

The travel budget for 2026 is 40,000 euros. The controller releases it in four equal parts.

Trips that cost more than 2,500 euros are approved by the chief financial officer.
"""
PAGES = (
    ("Laptop policy", "Every employee receives a laptop with full disk encryption."),
    (
        "Replacement",
        "A laptop is replaced after four years. A broken laptop is replaced within two working days.",
    ),
)


def write_files(folder: Path) -> None:
    """Write the documents: Markdown, HTML and PDF, one of them for Finance only."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    for name, text in (
        ("access.yaml", "allow:\n  - everyone\n"),
        ("annual-leave.md", LEAVE),
        ("office-guide-leeds.html", OFFICE),
        ("finance/access.yaml", "allow:\n  - group:Finance\n"),
        ("finance/travel-budget.md", BUDGET),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    canvas = Canvas(str(folder / "laptop-policy.pdf"), pagesize=A4)
    canvas.setTitle("Laptop policy")
    for heading, words in PAGES:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, 740, heading)
        canvas.setFont("Helvetica", 12)
        for line, sentence in enumerate(words.split(". ")):
            canvas.drawString(72, 700 - 20 * line, sentence.rstrip(".") + ".")
        canvas.showPage()
    canvas.save()


def furnish(folder: Path) -> None:
    """Make the people and the group, connect the folder and read it."""
    from django.core.management import call_command

    from accounts.actions import add_to_group, create_group, create_person
    from accounts.audit import By
    from accounts.viewer import EVERYONE
    from ingestion import actions, pipeline
    from ingestion.access import Rule
    from ingestion.index import close_index

    call_command("migrate", verbosity=0)
    by = By.system("tests")
    people = {
        name: create_person(
            by=by, email=f"{name.lower()}@example.org", name=name, password=PASSWORD,
            is_admin=name == "Adam", is_auditor=name == "Dana",
        )
        for name in ("Alice", "Bob", "Charlie", "Dana", "Adam")
    }  # fmt: skip
    finance = create_group(by=by, name="Finance")
    for name in ("Alice", "Bob"):
        add_to_group(by=by, group=finance, person=people[name])
    source = actions.connect_source(
        by=by, kind="folder", name="Handbook", path=str(folder), rule=Rule.of({EVERYONE})
    )
    run = pipeline.carry_out(actions.request_sync(by=by, source=source).pk)
    failed = list(run.items.exclude(outcome="done").values_list("external_id", "reason"))
    if failed:
        raise SystemExit(f"Documents could not be read: {failed}")
    close_index()


def change_group(email: str, *, is_member: bool) -> None:
    """Put a person into Finance or take them out."""
    from accounts.actions import add_to_group, remove_from_group
    from accounts.audit import By
    from accounts.models import Group, User

    change = add_to_group if is_member else remove_from_group
    change(
        by=By.system("tests"),
        group=Group.objects.get(name="Finance"),
        person=User.objects.get_by_natural_key(email),
    )


def end_sessions(email: str) -> None:
    """Sign a person out everywhere."""
    from accounts import actions
    from accounts.audit import By
    from accounts.models import User

    actions.end_sessions(by=By.system("tests"), person=User.objects.get_by_natural_key(email))


if __name__ == "__main__":
    import django

    django.setup()
    match sys.argv[1:]:
        case ["furnish"]:
            place = Path(os.environ["FOOTNOTE_SOURCE_ROOTS"]) / "handbook"
            write_files(place)
            furnish(place)
        case ["revoke", email]:
            change_group(email, is_member=False)
        case ["grant", email]:
            change_group(email, is_member=True)
        case ["end-sessions", email]:
            end_sessions(email)
        case other:
            raise SystemExit(f"Nothing is known about {other}.")
