"""Mistakes in settings and processes, reported at start-up with the fix."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from kombu import Connection

from marinemap.errors import ServiceError
from marinemap.jobs.conf import job_settings, storage_settings
from marinemap.processes.registry import all_processes


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """Report settings out of range, processes not to be served, pickle, a broker not installed."""
    found: list[CheckMessage] = []
    try:
        job_settings()
    except ServiceError as error:
        found.append(Error(str(error), hint=f"Set {error.field} anew.", id="marinemap.E001"))
    try:
        all_processes()
    except ServiceError as error:
        found.append(Error(str(error), hint="Mend its module.", id="marinemap.E004"))
    if set(settings.CELERY_ACCEPT_CONTENT) != {"json"}:
        found.append(
            Error(
                "CELERY_ACCEPT_CONTENT lets in more than JSON.",
                hint="Keep it at ['json']: pickle lets a message run any code.",
                id="marinemap.E003",
            )
        )
    return found + _check_broker() + _check_storage()


def _check_broker() -> list[CheckMessage]:
    """Report a broker whose client is missing; each order would end in an error."""
    try:
        # Made, not connected.
        Connection(settings.CELERY_BROKER_URL).transport  # noqa: B018
    except (ImportError, AttributeError) as error:
        # The latter is how kombu's module for Redis fails where redis is missing.
        hint = "Install it into .venv (for Redis: .venv/bin/pip install '.[redis]'), or leave "
        hint += "CELERY_BROKER_URL out for the queue in the database."
        return [
            Error(
                f"CELERY_BROKER_URL: its client is missing: {error}", hint=hint, id="marinemap.E005"
            )
        ]
    return []


def _check_storage() -> list[CheckMessage]:
    """Report a storage whose client is missing; each job would wait for it for ever."""
    missing = [name for name in ("storages", "boto3") if find_spec(name) is None]
    if settings.MARINEMAP_STORAGE is None or not missing:
        return []
    return [
        Error(
            f"MARINEMAP_S3_BUCKET: its client is missing: {' and '.join(missing)}",
            hint="Install it into .venv (.venv/bin/pip install '.[s3]'), or leave MARINEMAP_S3_* "
            "out for results on the disk.",
            id="marinemap.E008",
        )
    ]


@register(Tags.security, deploy=True)
def check_public(**_: Any) -> list[CheckMessage]:
    """Report what a site for others must not have."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "DJANGO_ALLOWED_HOSTS: '*' lets anyone name this site in links of their own.",
                hint="Write the names under which the site is reached.",
                id="marinemap.E006",
            )
        )
    if settings.CELERY_TASK_ALWAYS_EAGER:
        found.append(
            Error(
                "CELERY_TASK_ALWAYS_EAGER: jobs run in the web server, without a queue or a rate.",
                hint="Leave it out; it is for development.",
                id="marinemap.E007",
            )
        )
    return found + _check_links() + _check_folders() + _check_subdomains()


def _check_links() -> list[CheckMessage]:
    """Report links to a storage that browsers do not follow from the pages of this site."""
    storage = storage_settings()
    reached_at = storage and (storage.public_endpoint or storage.endpoint)
    if not (settings.MARINEMAP_HTTPS and reached_at and reached_at.startswith("http://")):
        return []
    return [
        Error(
            "MARINEMAP_S3_PUBLIC_ENDPOINT: links to results lead to plain HTTP, and browsers "
            "refuse such a download from a page of HTTPS.",
            hint="Name the https:// address under which people reach the storage.",
            id="marinemap.E009",
        )
    ]


def _check_folders() -> list[CheckMessage]:
    """Report folders for layers that there are not; the admin site would offer nothing of them."""
    missing = [folder for folder in settings.MARINEMAP_LAYER_FOLDERS if not Path(folder).is_dir()]
    return [
        Caution(
            f"MARINEMAP_LAYER_FOLDERS: {folder} is no folder that this user can see.",
            hint="Write it as it is on this machine, or leave it out.",
            id="marinemap.W001",
        )
        for folder in missing
    ]


def _check_subdomains() -> list[CheckMessage]:
    """Report a word for all subdomains that no browser is ever told."""
    if not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS or settings.SECURE_HSTS_SECONDS:
        return []
    return [
        Caution(
            "MARINEMAP_HSTS_SUBDOMAINS does nothing without MARINEMAP_HSTS_DAYS.",
            hint="Set for how many days browsers keep to HTTPS, or leave both out.",
            id="marinemap.W002",
        )
    ]
