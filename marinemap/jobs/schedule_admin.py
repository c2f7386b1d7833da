"""What beat sets off, in the admin site: in words; what is Celery's own is folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django_celery_beat.admin import (
    CrontabScheduleAdmin,
    IntervalScheduleAdmin,
    PeriodicTaskAdmin,
    SolarScheduleAdmin,
)
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from marinemap.catalogue.as_opened import GUARDED_FORM, as_opened
from marinemap.jobs.schedule_forms import ScheduleForm, TimesForm, why_not
from marinemap.jobs.schedule_words import words_of, words_of_crontab, words_of_interval

# The library has no types.
_ScheduleAdmin: Any = admin.ModelAdmin if TYPE_CHECKING else PeriodicTaskAdmin
_WORDS = {CrontabSchedule: words_of_crontab, IntervalSchedule: words_of_interval}


class ScheduleAdmin(_ScheduleAdmin):  # type: ignore[misc] # the library has no types
    """List what is done when, switch it off and on, change its times, run it now."""

    form = ScheduleForm
    list_display = ("name", "enabled", "due", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    date_hierarchy = None
    # The library's own has a script within the page, which the site's policy forbids.
    change_form_template = GUARDED_FORM
    readonly_fields = ("due", "last_run_at", "total_run_count")
    fieldsets = (
        (None, {"fields": ("name", "enabled", "due", "interval", "crontab", "description")}),
        ("Since when", {"fields": ("last_run_at", "total_run_count")}),
        (
            "What Celery keeps for itself",
            {
                "classes": ("collapse",),
                "fields": (
                    *("regtask", "task", "args", "kwargs", "solar", "clocked", "start_time"),
                    *("one_off", "expires", "expire_seconds", "queue", "exchange"),
                    *("routing_key", "priority", "headers"),
                ),
            },
        ),
    )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **more: Any
    ) -> Any:
        """Have the page say what its form was opened with: one may have been switched off since."""
        opened = as_opened(context["adminform"].form) if more.get("obj") else ""
        return super().render_change_form(request, {**context, "as_opened": opened}, *args, **more)

    @admin.display(description="when")
    def due(self, task: PeriodicTask) -> str:
        """Tell when it is due."""
        return words_of(task)

    @admin.action(description="Run selected tasks")
    def run_tasks(self, request: HttpRequest, queryset: Any) -> None:
        """Send tasks to the queue; tell of arguments that one does not take."""
        try:
            super().run_tasks(request, queryset)
        except TypeError as error:
            told = f"Not all were run, for one does not take its arguments: {error}"
            self.message_user(request, told, level=messages.ERROR)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer nobody who may only look to run a task or to switch it: the library asks nobody."""
        offered: dict[str, Any] = super().get_actions(request)
        if self.has_change_permission(request):
            return offered
        return {name: action for name, action in offered.items() if name not in self.actions}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer times in words."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        words = _WORDS.get(db_field.related_model)
        if words is not None and field is not None:
            # Of this field alone; a class of its own would say no more.
            field.label_from_instance = words
        return field


class CrontabsAdmin(CrontabScheduleAdmin):  # type: ignore[misc] # the library has no types
    """Times of days that can be followed."""

    form = TimesForm

    @admin.display(description="when")
    def human_readable(self, crontab: CrontabSchedule) -> str:
        """Tell when it is due, where it can be; the library's own ends in an error else."""
        return "" if why_not(crontab) else str(crontab.human_readable)


class IntervalsAdmin(IntervalScheduleAdmin):  # type: ignore[misc] # the library has no types
    """Intervals that can be followed."""

    form = TimesForm


class SolarsAdmin(SolarScheduleAdmin):  # type: ignore[misc] # the library has no types
    """Times by the sun, where the package that reckons them is there."""

    form = TimesForm
