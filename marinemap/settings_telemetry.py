"""Where else errors and traces are told, by the variables that Sentry and OpenTelemetry have.

Their clients read others of theirs, such as ``SENTRY_ENVIRONMENT`` and
``OTEL_EXPORTER_OTLP_HEADERS``.
"""

from __future__ import annotations

from marinemap.environment import read_choice, read_dsn, read_text, read_uri

SENTRY_DSN = read_dsn("SENTRY_DSN")
OTEL_EXPORTER_OTLP_ENDPOINT = read_uri("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_SERVICE_NAME = read_text("OTEL_SERVICE_NAME", "marinemap")
# What is sent another way is sent by no client that is here.
read_choice("OTEL_EXPORTER_OTLP_PROTOCOL", ("http/protobuf",))
