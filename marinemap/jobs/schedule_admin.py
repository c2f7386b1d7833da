"""What beat sets off, in the admin site: in words; what is Celery's own is folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from marinemap.jobs.schedule_words import words_of, words_of_crontab, words_of_interval

# The library has no types.
_ScheduleAdmin: Any = admin.ModelAdmin if TYPE_CHECKING else PeriodicTaskAdmin
_WORDS = {CrontabSchedule: words_of_crontab, IntervalSchedule: words_of_interval}


class ScheduleAdmin(_ScheduleAdmin):  # type: ignore[misc] # the library has no types
    """List what is done when, switch it off and on, change its times, run it now."""

    list_display = ("name", "enabled", "due", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    date_hierarchy = None
    # The library's own has a script within the page, which the site's policy forbids.
    change_form_template = None
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

    @admin.display(description="when")
    def due(self, task: PeriodicTask) -> str:
        """Tell when it is due."""
        return words_of(task)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer times in words."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        words = _WORDS.get(db_field.related_model)
        if words is not None and field is not None:
            # Of this field alone; a class of its own would say no more.
            field.label_from_instance = words
        return field
