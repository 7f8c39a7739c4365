"""Every model is listed as what it is: a record, a version, or a state."""

from django.apps import apps

from accounts.append_only import AppendOnlyModel

APPEND_ONLY = {"accounts.AuditEvent", "assistant.TraceStep"}
# Written once; only their place on the way through the index, or their removal, changes later.
VERSIONED = {
    "ingestion.AccessPolicy",
    "ingestion.PolicyClause",
    "ingestion.PolicyDenial",
    "ingestion.DocumentVersion",
    "ingestion.Chunk",
    "assistant.Answer",
    "assistant.Citation",
}
MUTABLE = {
    "accounts.User",
    "accounts.Group",
    "accounts.Membership",
    "accounts.GroupNesting",
    "accounts.AuditHead",
    "accounts.SignInThrottle",
    "ingestion.Source",
    "ingestion.Document",
    "ingestion.SyncRun",
    "ingestion.SyncItem",
    "assistant.Conversation",
    "assistant.Question",
    "assistant.Feedback",
    "assistant.GoldenQuestion",
    "assistant.EvaluationRun",
    "assistant.EvaluationResult",
}
OURS = ("accounts", "ingestion", "retrieval", "assistant")


def test_every_model_is_listed_by_name() -> None:
    models = {m._meta.label for m in apps.get_models() if m._meta.app_label in OURS}
    assert models == APPEND_ONLY | VERSIONED | MUTABLE


def test_append_only_models_are_append_only() -> None:
    listed = {m._meta.label for m in apps.get_models() if issubclass(m, AppendOnlyModel)}
    assert listed == APPEND_ONLY


def test_every_constraint_has_a_name_of_its_own() -> None:
    names = [c.name for m in apps.get_models() if m._meta.app_label in OURS for c in m._meta.constraints]
    assert len(names) == len(set(names))
    assert all(names)
