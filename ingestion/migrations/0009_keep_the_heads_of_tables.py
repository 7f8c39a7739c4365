from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0008_keep_the_words_of_chunks"),
    ]

    operations = [
        migrations.AddField(
            model_name="chunk",
            name="table_head",
            field=models.TextField(
                blank=True,
                default="",
                help_text="first row of the table that the text begins in the middle of",
            ),
        ),
    ]
