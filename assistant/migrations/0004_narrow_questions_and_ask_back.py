from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistant", "0003_keep_golden_questions_and_their_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="question",
            name="filters",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="what was picked beside the box, as retrieval.types.Filters; {} for nothing",
            ),
        ),
        migrations.AddField(
            model_name="answer",
            name="clarification",
            field=models.CharField(
                blank=True,
                default="",
                help_text="what was asked back, when nothing was searched",
                max_length=500,
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="answer",
            name="outcome",
            field=models.CharField(
                choices=[("answered", "answered"), ("refused", "refused"), ("clarify", "asked back")],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="question",
            name="state",
            field=models.CharField(
                choices=[
                    ("running", "being answered"),
                    ("answered", "answered"),
                    ("refused", "no answer found"),
                    ("clarify", "asked back"),
                    ("failed", "could not be answered"),
                    ("interrupted", "interrupted"),
                ],
                db_index=True,
                default="running",
                max_length=12,
            ),
        ),
    ]
