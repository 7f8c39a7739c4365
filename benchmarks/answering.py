"""The demo organisation over real HTTP: start-up, first event, complete answer, memory."""

from pathlib import Path

import yaml

from benchmarks.server import Person, data_folder, manage, serving
from retrieval.metrics import percentile

QUESTIONS = Path(__file__).resolve().parents[1] / "assistant" / "demo" / "questions.yaml"


def main() -> None:
    questions = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    with data_folder() as folder:
        manage(folder, "migrate", "--verbosity", "0")
        manage(folder, "demo")
        with serving(folder) as server:
            people = {email: Person(server, email) for email in {q["as"] for q in questions}}
            people[questions[0]["as"]].ask(
                "What is this company?"
            )  # the model is loaded by the first question at the latest
            timed = [people[q["as"]].ask(q["question"]) for q in questions]
            memory = server.resident_mib()
    first = [t.first_event_ms for t in timed]
    complete = [t.complete_ms for t in timed]
    print("| demo organisation, over HTTP | p50 | p95 | wanted |")
    print("| --- | --- | --- | --- |")
    print(f"| first event, ms | {percentile(first, 0.5):.0f} | {percentile(first, 0.95):.0f} | ≤ 150 |")
    print(
        f"| answer complete, ms | {percentile(complete, 0.5):.0f} | {percentile(complete, 0.95):.0f} | p50 ≤ 400 |"
    )
    print(f"| start of a second run until it answers, s | {server.seconds_to_answer:.1f} | | ≤ 10 |")
    parts = ", ".join(f"{name} {mib:.0f}" for name, mib in memory.items())
    print(f"| resident memory in all, MiB | {sum(memory.values()):.0f} | {parts} | ≤ 1228 |")


if __name__ == "__main__":
    main()
