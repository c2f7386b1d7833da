"""The admin site: the service first, then what people made of it, Celery's inner life last."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from marinemap.console.deleting import delete_selected

_FIRST = ("catalogue", "jobs", "mail", "api", "tasks", "auth")
# Tables that Celery keeps for itself; a schedule in words shows what is in most of them.
_INNER = ("django_celery_results", "django_celery_beat")
_NOT_INNER = ("PeriodicTask",)


class Console(AdminSite):
    """Django's admin site with the service's figures, its queue, and less of what is inner."""

    site_header = "MarineMap"
    site_title = "MarineMap"
    index_title = "The service"
    index_template = "console/index.html"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.add_action(delete_selected)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show how the service is, to whoever may look at jobs; and the tables."""
        told = self._figures() if request.user.has_perm("jobs.view_job") else {}
        return super().index(request, {**told, **(extra_context or {})})

    def _figures(self) -> dict[str, Any]:
        # Imported here, as below: commands load the admin site, and need nothing of the queue.
        from marinemap.console.figures import figures_of_service
        from marinemap.console.plots import plot_bytes, plot_jobs

        told = figures_of_service()
        if figures := told.get("figures"):
            told |= {
                "plot_jobs": plot_jobs(figures.hours),
                "plot_bytes": plot_bytes(figures.hours),
            }
        return told

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Add the pages of dead letters."""
        from marinemap.console import dead_letters

        own: list[URLResolver | URLPattern] = [
            path("queue/dead/", self.admin_view(dead_letters.show_all(self)), name="dead-letters"),
            path(
                "queue/dead/<int:number>/",
                self.admin_view(dead_letters.show_one(self)),
                name="dead-letter",
            ),
        ]
        return own + super().get_urls()

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave what is inner out of the list beside each page."""
        told: dict[str, Any] = super().each_context(request)
        outer = [app for app in told["available_apps"] if not app.get("is_inner")]
        return told | {"available_apps": outer}

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the tables by what an operator does with them; inner ones last, and marked."""
        apps: list[dict[str, Any]] = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        outer = [app for app in apps if app["app_label"] not in _INNER]
        inner = [app for app in apps if app["app_label"] in _INNER]
        shown = [_with_models(app, is_inner=False) | {"name": "Schedule"} for app in inner]
        hidden = [_with_models(app, is_inner=True) | {"is_inner": True} for app in inner]
        return [*sorted(outer, key=_place), *_filled(shown), *_filled(hidden)]


def _place(app: dict[str, Any]) -> int:
    label = app["app_label"]
    return _FIRST.index(label) if label in _FIRST else len(_FIRST)


def _with_models(app: dict[str, Any], *, is_inner: bool) -> dict[str, Any]:
    models = [m for m in app["models"] if (m["object_name"] not in _NOT_INNER) == is_inner]
    return app | {"models": models}


def _filled(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [app for app in apps if app["models"]]
