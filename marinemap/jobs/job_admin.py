"""A job in the admin site: to look at, not to change; lifecycle and runs alone write it."""

from __future__ import annotations

import json
import time
import uuid
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import FileResponse, Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from marinemap.catalogue.models import Layer
from marinemap.errors import MarineMapError
from marinemap.jobs import lifecycle, submission
from marinemap.jobs.artifacts import link_to_stored, open_artifact, open_on_disk
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.owners import owner_of_user, user_of_owner
from marinemap.jobs.states import FINISHED, UNFINISHED

_README = "README.txt"
# Characters of what was asked, and of a report; either may have megabytes.
_MOST_SHOWN = 20_000

_MOST_NAMED = 5
# A proxy answers 504 after a minute, while the server goes on unseen: of 10,000 jobs for minutes.
_MOST_SECONDS = 20.0
# These stay in the list when they have been run again: what was done in part would be done twice.
_MOST_AGAIN = 200
# Whose names have some words; who seeks "a" seeks nobody.
_MOST_PEOPLE = 100

# Django's own class takes a type parameter in its stubs only.
if TYPE_CHECKING:
    _JobAdmin = admin.ModelAdmin[Job]
else:
    _JobAdmin = admin.ModelAdmin


class LayerFilter(admin.SimpleListFilter):
    """Of those jobs that read a layer."""

    title = "layer"
    parameter_name = "layer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the layers of the catalogue; those that are gone cannot be chosen."""
        return list(Layer.objects.order_by("pk").values_list("pk", "title"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Return the jobs of the chosen layer: no other text of the list stands in quotes."""
        chosen = self.value()
        if chosen is None:
            return queryset
        names = Cast("layers", TextField())
        return queryset.annotate(names=names).filter(names__contains=json.dumps(chosen))


class DurationFilter(admin.SimpleListFilter):
    """Of those jobs whose run took so long."""

    title = "duration"
    parameter_name = "took"
    _limits = ("10", "60", "600")
    _names = ("Under 10 s", "10 s to 1 min", "1 to 10 min", "Over 10 min")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the durations, by the seconds from which they begin."""
        return list(zip(("0", *self._limits), self._names, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Return the jobs that have ended and took so long."""
        begins = ("0", *self._limits)
        chosen = self.value()
        if chosen not in begins:
            return queryset
        took = ExpressionWrapper(F("finished_at") - F("started_at"), DurationField())
        found = queryset.annotate(took=took).filter(took__gte=timedelta(seconds=int(chosen)))
        end = dict(zip(begins, self._limits, strict=False)).get(chosen)
        return found.filter(took__lt=timedelta(seconds=int(end))) if end else found


class JobAdmin(_JobAdmin):
    """List jobs, show one with its report, cancel and run again."""

    list_display = (
        *("short_id", "created_at", "process_id", "status", "reads", "person", "size", "took"),
        "said",
    )
    list_filter = ("status", "process_id", LayerFilter, DurationFilter)
    search_fields = ("id", "owner", "message", "request_id")
    date_hierarchy = "created_at"
    actions = ("cancel", "run_again")
    fields = (
        *("id", "process_id", "asked", "status", "progress", "message", "problem"),
        *("archive", "report", "person", "request_id", "batch", "attempt", "put_off"),
        *("created_at", "started_at", "finished_at", "took", "expires_at"),
    )
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find jobs by the names of people as well, who are known by their numbers."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        words = search_term.replace("\0", "").strip()
        if not words:
            return found, may_repeat
        people = User.objects.filter(username__icontains=words)[:_MOST_PEOPLE]
        owners = [owner_of_user(person.pk) for person in people]
        return found | queryset.filter(owner__in=owners), may_repeat

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a job is made by a request."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Allow the list and its actions, but no form."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Refuse: a deleted row would leave its archive behind."""
        return False

    def get_urls(self) -> list[Any]:
        """Add the archive of a job."""
        view = self.admin_site.admin_view(self.send_archive)
        own = path("<uuid:job_id>/archive/", view, name="jobs_job_archive")
        return [own, *super().get_urls()]

    def send_archive(self, request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
        """Answer a job's archive to who may look at jobs."""
        job = get_object_or_404(Job, pk=job_id)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        archive = open_on_disk(job)
        if archive is not None:
            return FileResponse(archive, as_attachment=True, filename=job.file_name)
        link = link_to_stored(job)
        if link is None:
            raise Http404("the job has no archive, or none any more")
        return HttpResponseRedirect(link)

    @admin.display(description="job", ordering="id")
    def short_id(self, job: Job) -> str:
        """Tell jobs apart in a list."""
        return str(job.pk)[:8]

    @admin.display(description="layers")
    def reads(self, job: Job) -> str:
        """Name the layers that a job reads."""
        return ", ".join(job.layers)

    @admin.display(description="person", ordering="owner")
    def person(self, job: Job) -> str:
        """Name who has signed in; of others there is no more than a cookie."""
        user = user_of_owner(job.owner)
        return user.get_username() if user else ""

    @admin.display(description="message")
    def said(self, job: Job) -> str:
        """Tell how it stands, as far as a list can."""
        return Truncator(job.message).chars(80)

    @admin.display(description="size", ordering="artifact_bytes")
    def size(self, job: Job) -> str:
        """Tell how large the archive is."""
        return filesizeformat(job.artifact_bytes) if job.artifact_bytes else ""

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Tell how long the run took, or has taken."""
        if job.started_at is None:
            return ""
        seconds = ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
        return f"{max(0.0, seconds):,.1f} s"

    @admin.display(description="asked for")
    def asked(self, job: Job) -> str:
        """Show the inputs, as far as a page can."""
        found = JobDocuments.objects.filter(pk=job.pk).values_list("inputs", flat=True).first()
        return _pre(json.dumps(found, indent=2, ensure_ascii=False))

    @admin.display(description="archive")
    def archive(self, job: Job) -> str:
        """Link to the archive while it is there."""
        if not job.artifact:
            return "None"
        address = reverse("admin:jobs_job_archive", args=[job.pk])
        return format_html('<a href="{}">{}</a> ({})', address, job.file_name, self.size(job))

    @admin.display(description="report")
    def report(self, job: Job) -> str:
        """Show what the archive's README tells."""
        try:
            archive = open_artifact(job)
        except MarineMapError as error:
            return f"cannot be read: {error}"
        if archive is None:
            return "None"
        with archive:
            return _pre(_readme_of(archive))

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel those of the chosen jobs that wait or run; the files of others stay."""
        ended = list(queryset.filter(status__in=FINISHED).values_list("pk", flat=True))
        unended = list(queryset.filter(status__in=UNFINISHED).only("pk"))
        until = time.monotonic() + _MOST_SECONDS
        for number, job in enumerate(unended):
            if number and time.monotonic() > until:
                told = f"{number:,} were cancelled in {_MOST_SECONDS:.0f} s; of those chosen "
                told += f"{len(unended) - number:,} are left. Cancel them in the same way."
                self.message_user(request, told, messages.WARNING)
                break
            # As it is now: it may have ended since the list was read.
            if not lifecycle.cancel(job):
                ended.append(job.pk)
        if ended:
            told = ", ".join(str(each) for each in ended[:_MOST_NAMED])
            more = f" and {len(ended) - _MOST_NAMED} more" if len(ended) > _MOST_NAMED else ""
            self.message_user(request, f"Ended already: {told}{more}", messages.WARNING)

    @admin.action(description="Run again, as new jobs of the same people", permissions=["change"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Ask for the same again, telling of each that is refused by now."""
        chosen = queryset.count()
        if chosen > _MOST_AGAIN:
            told = f"{_MOST_AGAIN:,} are run again at once at most, and {chosen:,} are chosen. "
            told += "None was: choose fewer, such as a page of the list at a time."
            self.message_user(request, told, messages.ERROR)
            return
        for job in queryset:
            try:
                submission.submit_again(job)
            except (MarineMapError, JobDocuments.DoesNotExist) as error:
                self.message_user(request, f"{job.pk}: {error}", messages.ERROR)


def _pre(text: str) -> str:
    more = "\n..." if len(text) > _MOST_SHOWN else ""
    return format_html("<pre>{}{}</pre>", text[:_MOST_SHOWN], more)


def _readme_of(archive: BinaryIO) -> str:
    try:
        with zipfile.ZipFile(archive) as members, members.open(_README) as readme:
            return readme.read(_MOST_SHOWN).decode(errors="replace")
    except (OSError, KeyError, MarineMapError, zipfile.BadZipFile) as error:
        return f"cannot be read: {error}"
