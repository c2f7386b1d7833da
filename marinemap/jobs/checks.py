"""Mistakes in settings and processes, reported at start-up with the fix."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from marinemap.errors import ServiceError, did_you_mean
from marinemap.jobs.conf import job_settings
from marinemap.processes.registry import all_processes

_PREFIX = "MARINEMAP_"
# Kept under a name of Django's own.
_UNDER_OTHER_NAMES = {"MARINEMAP_HSTS_SUBDOMAINS"}


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """Report settings out of range, unknown variables, processes not to be served, pickle."""
    found: list[CheckMessage] = []
    try:
        job_settings()
    except ServiceError as error:
        found.append(Error(str(error), hint=f"Set {error.field} anew.", id="marinemap.E001"))
    try:
        all_processes()
    except ServiceError as error:
        found.append(Error(str(error), hint="Mend its module.", id="marinemap.E004"))
    known = {name for name in dir(settings) if name.startswith(_PREFIX)} | _UNDER_OTHER_NAMES
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in known:
            found.append(
                Error(
                    f"There is no setting {name}.{did_you_mean(name, known)}",
                    hint="Known are " + ", ".join(sorted(known)) + ".",
                    id="marinemap.E002",
                )
            )
    if set(settings.CELERY_ACCEPT_CONTENT) != {"json"}:
        found.append(
            Error(
                "CELERY_ACCEPT_CONTENT lets in more than JSON.",
                hint="Keep it at ['json']: pickle lets a message run any code.",
                id="marinemap.E003",
            )
        )
    return found
