"""What the documentation names exists, and what exists is documented."""

import re
from pathlib import Path

from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
OURS = ("accounts", "ingestion", "retrieval", "assistant")


def test_every_setting_from_the_environment_is_documented() -> None:
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "config" / "settings.py").read_text()))
    documented = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    )
    assert read == documented


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    ours = {name for name, app in get_commands().items() if app in OURS}
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"manage\.py (\w+)", text)) - {"migrate"}
    assert ours == documented


def test_the_readme_names_make_targets_and_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (\w+)", readme)) <= targets
    commands = set(get_commands())
    assert set(re.findall(r"manage\.py (\w+)", readme)) <= commands


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_kind_of_audit_event_is_documented() -> None:
    from accounts.audit import EVENT_TYPES

    text = (ROOT / "docs" / "security.md").read_text()
    assert [kind for kind in EVENT_TYPES if f"`{kind}`" not in text] == []
