"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from marinemap.api.health import health, ready
from marinemap.metrics import metrics

urlpatterns = [
    path("", include("marinemap.web.urls")),
    path("api/", include("marinemap.api.urls")),
    path("healthz", health),
    path("readyz", ready),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
]
