"""Errors told to a Sentry, and traces sent to a collector of OpenTelemetry, where a site has one.

Both are asked for by the variables that their own documents name (``SENTRY_DSN``,
``OTEL_EXPORTER_OTLP_ENDPOINT``), and both are extras: who wants neither installs neither.
"""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from typing import Any

from celery import signals
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from marinemap import __version__
from marinemap.logs import quiet, request_id

_ASKED_BY = {"sentry": "SENTRY_DSN", "opentelemetry": "OTEL_EXPORTER_OTLP_ENDPOINT"}
# What each needs, by the extra that has it.
_NEEDS = {
    "sentry": ("sentry_sdk",),
    "opentelemetry": (
        "opentelemetry.sdk",
        "opentelemetry.exporter.otlp.proto.http",
        "opentelemetry.instrumentation.celery",
        "opentelemetry.instrumentation.django",
    ),
}
# Not told of: a name that is not the site's, by which anybody can ask as often as they like; and
# what tells, in a line with an address or a task's id, of an error that is told of by itself.
_NOT_TOLD = ("django.security.DisallowedHost", "django.request", "marinemap.tasks.site_task")
# Asked by monitors each few seconds.
_NOT_TRACED = "healthz,readyz,metrics"
# A process that ends waits no longer for a collector that is away.
_FLUSH_MILLISECONDS = 2_000


def start() -> None:
    """Begin to tell of errors and to trace, as far as the settings ask for it."""
    for extra in _wanted():
        if not _missing(extra):
            _STARTS[extra]()


@register()
def check_telemetry(**_: Any) -> list[CheckMessage]:
    """Report what is asked for and not installed."""
    return [
        Error(
            f"{variable}: its client is missing: {', '.join(missing)}",
            hint=f"Install it into .venv (.venv/bin/pip install '.[{extra}]'), or leave "
            f"{variable} out.",
            id="marinemap.E013",
        )
        for extra, variable in _wanted().items()
        if (missing := _missing(extra))
    ]


def _wanted() -> dict[str, str]:
    """Return the extras that are asked for, with the setting that does."""
    return {extra: name for extra, name in _ASKED_BY.items() if getattr(settings, name)}


def _missing(extra: str) -> list[str]:
    return [module for module in _NEEDS[extra] if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # A package above it is missing.
        return False


def _start_sentry() -> None:
    # Imported here, as all of both: most sites have neither.
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.integrations.logging import ignore_logger

    for name in _NOT_TOLD:
        ignore_logger(name)
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=os.environ.get("SENTRY_RELEASE") or f"marinemap@{__version__}",
        before_send=_as_sent,
        auto_enabling_integrations=False,
        integrations=[DjangoIntegration(), CeleryIntegration(propagate_traces=False)],
        # People's data, and secrets among them, stay here; nor are receivers of webhooks told.
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_default_pii=False,
        trace_propagation_targets=[],
    )


def _as_sent(event: Any, hint: dict[str, Any]) -> Any:
    """Return an event as it is sent; None where the log does not say it either.

    Addresses hold secrets of shared results, and what a task was called with is somebody's
    request: both are left out. The request's id leads to them in the log.
    """
    told = {"name": __name__, "exc_info": hint.get("exc_info")}
    if not quiet.outages.filter(hint.get("log_record") or logging.makeLogRecord(told)):
        return None
    event.pop("extra", None)
    event.pop("request", None)
    if request_id.current():
        event.setdefault("tags", {})["request_id"] = request_id.current()
    return event


def _start_tracing() -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": settings.OTEL_SERVICE_NAME, "service.version": __version__}
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(excluded_urls=_NOT_TRACED, response_hook=_note_id)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call] # the library has no types

    # The pool's processes end without what Python does at its end.
    @signals.worker_process_shutdown.connect(weak=False)
    def send_the_last(**_: Any) -> None:
        provider.force_flush(_FLUSH_MILLISECONDS)


def _note_id(span: Any, _request: Any, response: Any) -> None:
    span.set_attribute("marinemap.request_id", response.headers.get(request_id.HEADER, ""))


_STARTS = {"sentry": _start_sentry, "opentelemetry": _start_tracing}
