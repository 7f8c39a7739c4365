from django.urls import path

from assistant import api
from assistant.views import ask, audit, conversations, evidence, stream

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
    path("api/questions/", api.questions, name="api_questions"),
    path("api/questions/<uuid:question>/", api.question, name="api_question"),
    path("api/conversations/", api.conversations, name="api_conversations"),
    path("api/conversations/<uuid:conversation>/", api.conversation, name="api_conversation"),
    path("api/schema/", api.Schema.as_view(), name="api_schema"),
]
