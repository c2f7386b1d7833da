"""Jobs in Django's admin site: to look at, not to change; lifecycle alone writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from marinemap.jobs import lifecycle
from marinemap.jobs.models import Delivery, Job

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _JobAdmin = admin.ModelAdmin[Job]
    _DeliveryAdmin = admin.ModelAdmin[Delivery]
else:
    _JobAdmin = _DeliveryAdmin = admin.ModelAdmin


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
class DeliveryAdmin(_DeliveryAdmin):
    """List what was told of jobs, to whom, and what became of it."""

    list_display = ("sent_at", "job", "status", "host", "attempt", "was_taken", "outcome")
    list_filter = ("was_taken", "status")
    search_fields = ("message_id", "host", "job__id")
    list_select_related = ("job",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the site writes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Refuse: they tell what was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:
        """Refuse: they go by themselves."""
        return False
