"""Make the trace steps append-only in the database itself. Backwards lifts the rule."""

from django.db import migrations

from accounts.triggers import RefuseChanges


class Migration(migrations.Migration):
    dependencies = [
        ("assistant", "0001_initial"),
        ("accounts", "0004_refuse_changes_to_audit_events"),
    ]

    operations = [RefuseChanges("assistant_tracestep", keys=[("id",), ("question_id", "position")])]
