"""Make the audit events append-only in the database itself. Backwards lifts the rule."""

from django.db import migrations

from accounts.triggers import RefuseChanges


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_begin_the_audit_chain")]

    operations = [RefuseChanges("accounts_auditevent", keys=[("id",), ("position",), ("digest",)])]
