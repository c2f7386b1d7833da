"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from marinemap.api.health import health, ready

urlpatterns = [
    path("", include("marinemap.web.urls")),
    path("api/", include("marinemap.api.urls")),
    path("healthz", health),
    path("readyz", ready),
    path("admin/", admin.site.urls),
]
