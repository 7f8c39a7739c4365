"""Addresses of the Sources desk (`/sources/…`, administrators) and of the readers' pages (`/documents/…`)."""

from django.urls import path

from ingestion.views import connect, documents, reading, runs, sources

app_name = "ingestion"

urlpatterns = [
    path("sources/", sources.sources, name="sources"),
    path("sources/connect/", connect.connect, name="connect"),
    path("sources/connect/<str:kind>/", connect.connect_kind, name="connect_kind"),
    path("sources/<uuid:source_id>/", sources.source, name="source"),
    path("sources/<uuid:source_id>/access/", sources.source_access, name="source_access"),
    path("sources/<uuid:source_id>/settings/", sources.source_settings, name="source_settings"),
    path("sources/<uuid:source_id>/upload/", sources.source_upload, name="source_upload"),
    path("sources/<uuid:source_id>/sync/", sources.source_sync, name="source_sync"),
    path("sources/<uuid:source_id>/pause/", sources.source_pause, name="source_pause"),
    path("sources/<uuid:source_id>/resume/", sources.source_resume, name="source_resume"),
    path("sources/<uuid:source_id>/remove/", sources.source_remove, name="source_remove"),
    path("sources/runs/<uuid:run_id>/", runs.run, name="run"),
    path("sources/runs/<uuid:run_id>/pause/", runs.run_pause, name="run_pause"),
    path("sources/runs/<uuid:run_id>/resume/", runs.run_resume, name="run_resume"),
    path("sources/runs/<uuid:run_id>/cancel/", runs.run_cancel, name="run_cancel"),
    path("sources/runs/<uuid:run_id>/retry/", runs.run_retry, name="run_retry"),
    path("sources/runs/<uuid:run_id>/items/<int:item_id>/retry/", runs.item_retry, name="item_retry"),
    path("sources/documents/<uuid:document_id>/", documents.document_admin, name="document_admin"),
    path("sources/documents/<uuid:document_id>/explain/", documents.explain, name="explain"),
    path("sources/documents/<uuid:document_id>/access/", documents.document_access, name="document_access"),
    path("sources/documents/<uuid:document_id>/remove/", documents.document_remove, name="document_remove"),
    path("documents/<uuid:document_id>/", reading.document, name="document"),
    path("documents/<uuid:document_id>/original", reading.original, name="original"),
    path(
        "documents/<uuid:document_id>/versions/<int:number>/pages/<int:page>.png",
        reading.page_image,
        name="page_image",
    ),
]
