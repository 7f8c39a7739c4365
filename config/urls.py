"""Every address of the product. The guard tests walk this list."""

from django.urls import include, path

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("ingestion.urls")),
    path("", include("assistant.urls")),
]
