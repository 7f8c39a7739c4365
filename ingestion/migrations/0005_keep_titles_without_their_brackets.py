from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from ingestion.titles import short_title_key

BATCH = 1_000


def fill_in(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Give documents whose title ends with brackets their second key."""
    documents = apps.get_model("ingestion", "Document").objects
    waiting = []
    for document in documents.only("pk", "title").iterator(BATCH):
        document.short_title_key = short_title_key(document.title)
        if document.short_title_key:
            waiting.append(document)
        if len(waiting) == BATCH:
            documents.bulk_update(waiting, ["short_title_key"])
            waiting = []
    documents.bulk_update(waiting, ["short_title_key"])


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0004_source_authority")]

    operations = [
        migrations.AddField(
            model_name="document",
            name="short_title_key",
            field=models.CharField(
                blank=True,
                default="",
                help_text="the same without brackets at its end, if any",
                max_length=300,
            ),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("short_title_key__gt", "")),
                fields=["short_title_key"],
                name="document_by_short_title",
            ),
        ),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
    ]
