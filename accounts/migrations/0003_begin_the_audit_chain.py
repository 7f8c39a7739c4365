"""Write the one row that says where the audit chain ends. Backwards only while the chain is empty."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# Frozen here: a migration must not change its meaning with the code. Equal to accounts.chain.GENESIS.
GENESIS = "sha256:" + "0" * 64


def begin(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    AuditHead = apps.get_model("accounts", "AuditHead")
    AuditHead.objects.using(editor.connection.alias).get_or_create(
        pk=1, defaults={"position": 0, "digest": GENESIS}
    )


def end(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    AuditHead = apps.get_model("accounts", "AuditHead")
    AuditHead.objects.using(editor.connection.alias).filter(position=0).delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_count_failed_sign_ins_and_end_sessions")]

    operations = [migrations.RunPython(begin, end)]
