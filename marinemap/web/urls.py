"""The address of the map page."""

from __future__ import annotations

from django.urls import path

from marinemap.web.views import MapView

app_name = "web"

urlpatterns = [path("", MapView.as_view(), name="map")]
