from django.urls import path

from assistant import api
from assistant.views import ask, audit, conversations, evaluation, evidence, golden, stream

app_name = "assistant"
urlpatterns = [
    path("", ask.ask, name="ask"),
    path("conversations/", conversations.conversations, name="conversations"),
    path("conversations/<uuid:conversation>/", ask.conversation, name="conversation"),
    path(
        "conversations/<uuid:conversation>/settings/",
        conversations.conversation_settings,
        name="conversation_settings",
    ),
    path(
        "conversations/<uuid:conversation>/removal/",
        conversations.conversation_removal,
        name="conversation_removal",
    ),
    path("questions/<uuid:question>/", ask.question, name="question"),
    path("questions/<uuid:question>/events", stream.stream, name="events"),
    path("questions/<uuid:question>/again/", ask.ask_again, name="ask_again"),
    path("questions/<uuid:question>/steps/", evidence.steps, name="steps"),
    path("answers/<uuid:question>/footnotes/<int:number>/", evidence.footnote, name="footnote"),
    path("answers/<uuid:question>/feedback/", evidence.feedback, name="feedback"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/", audit.audit_export, name="audit_export"),
    path("audit/answers/<uuid:question>/", audit.audit_answer, name="audit_answer"),
    path("audit/answers/<uuid:question>/verify/", audit.audit_verify, name="audit_verify"),
    path("evaluation/", evaluation.evaluation, name="evaluation"),
    path("evaluation/start/", evaluation.evaluation_start, name="evaluation_start"),
    path("evaluation/compare/", evaluation.evaluation_compare, name="evaluation_compare"),
    path("evaluation/runs/<uuid:run>/", evaluation.evaluation_run, name="evaluation_run"),
    path("evaluation/runs/<uuid:run>/stop/", evaluation.evaluation_stop, name="evaluation_stop"),
    path("evaluation/runs/<uuid:run>/results.csv", evaluation.evaluation_export, name="evaluation_export"),
    path("evaluation/questions/", golden.golden_questions, name="golden_questions"),
    path("evaluation/questions/new/", golden.golden_new, name="golden_new"),
    path("evaluation/questions/import/", golden.golden_import, name="golden_import"),
    path("evaluation/questions/export.csv", golden.golden_export, name="golden_export"),
    path("evaluation/questions/<uuid:question>/", golden.golden_question, name="golden_question"),
    path("evaluation/questions/<uuid:question>/remove/", golden.golden_remove, name="golden_remove"),
    path("api/questions/", api.questions, name="api_questions"),
    path("api/questions/<uuid:question>/", api.question, name="api_question"),
    path("api/conversations/", api.conversations, name="api_conversations"),
    path("api/conversations/<uuid:conversation>/", api.conversation, name="api_conversation"),
    path("api/schema/", api.Schema.as_view(), name="api_schema"),
]
