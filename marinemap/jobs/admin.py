"""Jobs in Django's admin site: to look at, not to change; lifecycle and runs alone write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.models import (
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from marinemap.jobs.job_admin import JobAdmin
from marinemap.jobs.models import Alarm, Delivery, Job, LetterWish
from marinemap.jobs.schedule_admin import (
    CrontabsAdmin,
    IntervalsAdmin,
    ScheduleAdmin,
    SolarsAdmin,
)

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _DeliveryAdmin = admin.ModelAdmin[Delivery]
    _AlarmAdmin = admin.ModelAdmin[Alarm]
    _LetterWishAdmin = admin.ModelAdmin[LetterWish]
else:
    _DeliveryAdmin = _AlarmAdmin = _LetterWishAdmin = admin.ModelAdmin


class _LookOnly:
    """Nothing can be made, changed or removed: the site writes these rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


admin.site.register(Job, JobAdmin)
# Registered by the library, whose app comes before this one.
admin.site.unregister([PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule])
admin.site.register(PeriodicTask, ScheduleAdmin)
admin.site.register(CrontabSchedule, CrontabsAdmin)
admin.site.register(IntervalSchedule, IntervalsAdmin)
admin.site.register(SolarSchedule, SolarsAdmin)


class _NotAdded:
    """Only what was run has a result: one that is made by hand would stand for nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False


class ResultsAdmin(_NotAdded, TaskResultAdmin):
    """Look at the results of tasks, and remove them."""


class GroupsAdmin(_NotAdded, GroupResultAdmin):
    """Look at the results of groups of tasks, and remove them."""


admin.site.unregister([TaskResult, GroupResult])
admin.site.register(TaskResult, ResultsAdmin)
admin.site.register(GroupResult, GroupsAdmin)


@admin.register(Delivery)
class DeliveryAdmin(_LookOnly, _DeliveryAdmin):
    """List what was told of jobs and of the site, to whom, and what became of it."""

    list_display = ("sent_at", "job", "status", "event", "host", "attempt", "was_taken", "outcome")
    list_filter = ("was_taken", "status", "event")
    search_fields = ("message_id", "host", "job__id")
    list_select_related = ("job",)


@admin.register(Alarm)
class AlarmAdmin(_LookOnly, _AlarmAdmin):
    """List what is wrong with the site now."""

    list_display = ("event", "words", "since")


@admin.register(LetterWish)
class LetterWishAdmin(_LookOnly, _LetterWishAdmin):
    """List about which jobs people are written to, and when they were; not at which address."""

    fields = list_display = ("job", "batch", "language", "created_at", "end_told_at", "is_over")
    list_filter = ("is_over", "language")
    list_select_related = ("job",)
