from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0007_keep_the_vectors_of_sentences"),
    ]

    operations = [
        migrations.AddField(
            model_name="chunk",
            name="words",
            field=models.BinaryField(blank=True, null=True),
        ),
    ]
