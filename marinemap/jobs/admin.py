"""Jobs in Django's admin site: to look at, not to change; lifecycle alone writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from marinemap.jobs import lifecycle
from marinemap.jobs.models import Alarm, Delivery, Job, LetterWish

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _JobAdmin = admin.ModelAdmin[Job]
    _DeliveryAdmin = admin.ModelAdmin[Delivery]
    _AlarmAdmin = admin.ModelAdmin[Alarm]
    _LetterWishAdmin = admin.ModelAdmin[LetterWish]
else:
    _JobAdmin = _DeliveryAdmin = _AlarmAdmin = _LetterWishAdmin = admin.ModelAdmin


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


@admin.register(Job)
class JobAdmin(_JobAdmin):
    """List jobs, and cancel chosen ones."""

    list_display = ("id", "process_id", "status", "progress", "message", "attempt", "created_at")
    list_filter = ("status", "process_id")
    search_fields = ("id", "message")
    date_hierarchy = "created_at"
    actions = ("cancel",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a job is made by a request."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Allow the list and its actions, but no form."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Refuse: a deleted row would leave its archive behind."""
        return False

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel the chosen jobs."""
        for job in queryset:
            lifecycle.dismiss(job)


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
