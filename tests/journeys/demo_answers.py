"""Loads the demo organisation into a data folder of its own and prints what each of its questions gets, as JSON lines.

Run as a process by the test beside it: `python -m tests.journeys.demo_answers FOLDER`.
"""

import json
import os
import sys


def main(folder: str) -> None:
    os.environ["FOOTNOTE_DATA_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for name in ("DATABASE_URL", "QDRANT_URL"):
        os.environ.pop(name, None)

    import django

    django.setup()

    import yaml
    from django.core.management import call_command

    from accounts.models import User
    from accounts.viewer import viewer_of
    from assistant import demo
    from assistant.pipeline import answer
    from ingestion.models import Document

    call_command("demo", verbosity=0, stdout=sys.stderr)
    ids = dict(Document.objects.values_list("pk", "external_id"))
    questions = yaml.safe_load((demo.HERE / "questions.yaml").read_text(encoding="utf-8"))
    for question in questions:
        viewer = viewer_of(User.objects.get(email=question["as"]))
        values = {step.name: step.value for step in answer(question["question"], (), viewer)}
        verified = values["verify"]
        row = {
            **question,
            "outcome": verified.outcome,
            "ranked": list(dict.fromkeys(ids[entry.passage.document] for entry in values["rerank"])),
            "cited": list(dict.fromkeys(ids[quote.document] for quote in verified.footnotes)),
            "words": " ".join(quote.text for quote in verified.footnotes),
            "readable": sorted(
                ids[pk] for pk in Document.objects.visible_to(viewer).values_list("pk", flat=True)
            ),
        }
        print(json.dumps(row, default=str), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
