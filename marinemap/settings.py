"""Django and Celery settings, all from the environment; the defaults suit one machine.

See ``docs/reference/settings.md`` for each variable.
"""

from __future__ import annotations

import os

from csp.constants import NONE, SELF
from kombu import Exchange, Queue

from marinemap.addresses import broker_options, read_broker
from marinemap.environment import (
    FOLDER,
    ORIGIN,
    TRUSTED_ORIGIN,
    check_writable,
    read_addresses,
    read_choice,
    read_count,
    read_encryption,
    read_flag,
    read_hosts,
    read_layer,
    read_list,
    read_mail_server,
    read_number,
    read_rate,
    read_secrets,
    read_sender,
    read_storage,
    read_text,
    read_token,
    read_uris,
    read_words,
    refuse_unknown,
)
from marinemap.secret_key import read_secret_key
from marinemap.settings_catalogue import BASE_DIR as BASE_DIR
from marinemap.settings_catalogue import DATABASE_URL, MARINEMAP_HOME, TIME_ZONE
from marinemap.settings_catalogue import DATABASES as DATABASES
from marinemap.settings_catalogue import DEFAULT_AUTO_FIELD as DEFAULT_AUTO_FIELD
from marinemap.settings_catalogue import LOGGING as LOGGING
from marinemap.settings_catalogue import MARINEMAP_LOG_FORMAT as MARINEMAP_LOG_FORMAT
from marinemap.settings_catalogue import MARINEMAP_POSTGIS_SECONDS as MARINEMAP_POSTGIS_SECONDS
from marinemap.settings_catalogue import MARINEMAP_POSTGIS_SERVERS as MARINEMAP_POSTGIS_SERVERS
from marinemap.settings_catalogue import MARINEMAP_SOURCE_PREFIXES as MARINEMAP_SOURCE_PREFIXES
from marinemap.settings_catalogue import MARINEMAP_SOURCE_SECONDS as MARINEMAP_SOURCE_SECONDS
from marinemap.settings_catalogue import USE_TZ as USE_TZ
from marinemap.settings_schedule import CELERY_BEAT_SCHEDULE as CELERY_BEAT_SCHEDULE
from marinemap.settings_telemetry import OTEL_EXPORTER_OTLP_ENDPOINT as OTEL_EXPORTER_OTLP_ENDPOINT
from marinemap.settings_telemetry import OTEL_SERVICE_NAME as OTEL_SERVICE_NAME
from marinemap.settings_telemetry import SENTRY_DSN as SENTRY_DSN

# --- Who may reach the site --------------------------------------------------------------

_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]

check_writable(MARINEMAP_HOME)
DEBUG = read_flag("DJANGO_DEBUG", False)
SECRET_KEY = read_secret_key(MARINEMAP_HOME)
ALLOWED_HOSTS = read_hosts("DJANGO_ALLOWED_HOSTS", _LOOPBACK)
CSRF_TRUSTED_ORIGINS = read_list("DJANGO_CSRF_TRUSTED_ORIGINS", [], TRUSTED_ORIGIN)

# A site under a name of its own is served over HTTPS; on loopback there is no one to listen in
# and no certificate, so the checks that ask for HTTPS do not apply.
_is_public = any(host not in _LOOPBACK for host in ALLOWED_HOSTS)
MARINEMAP_HTTPS = read_flag("MARINEMAP_HTTPS", _is_public)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = MARINEMAP_HTTPS
SECURE_SSL_REDIRECT = MARINEMAP_HTTPS
# Asked by monitors and load balancers on the machine itself, which speak plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
# Browsers hold to it for as long, whatever becomes of the certificate: only where it is asked for.
SECURE_HSTS_SECONDS = read_count("MARINEMAP_HSTS_DAYS", 0, 0, 3650) * 24 * 3600
# For the agency's other names only the agency can speak.
SECURE_HSTS_INCLUDE_SUBDOMAINS = read_flag("MARINEMAP_HSTS_SUBDOMAINS", False)
MARINEMAP_BEHIND_PROXY = read_flag("MARINEMAP_BEHIND_PROXY", False)
if MARINEMAP_BEHIND_PROXY:
    # Only a proxy that always sets this header may be trusted with it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Who sends the files: this application, or the server in front, told by this header.
MARINEMAP_SENDFILE = read_choice("MARINEMAP_SENDFILE", ("X-Sendfile", "X-Accel-Redirect"))
SILENCED_SYSTEM_CHECKS = (
    ["security.W004", "security.W005", "security.W021"]
    if MARINEMAP_HTTPS
    else ["security.W004", "security.W008", "security.W012", "security.W016"]
)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "worker-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# The largest body of a request, bytes: an area of some 100,000 corners.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# A file within a form as well: none is ever on disk by itself, where a killed process leaves it.
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE

# Below which folders of this machine layers may be added in the admin site, and how large a file
# may be that is uploaded there, MB; 0 takes none.
MARINEMAP_LAYER_FOLDERS = read_list("MARINEMAP_LAYER_FOLDERS", [], FOLDER)
MARINEMAP_MAX_LAYER_UPLOAD_MB = read_count("MARINEMAP_MAX_LAYER_UPLOAD_MB", 500, 0, 100_000)

# With which a program may read /metrics, as may staff; without one, only those.
MARINEMAP_METRICS_TOKEN = read_token("MARINEMAP_METRICS_TOKEN")

# How long the web server looks at one request before it is queued, or for an estimate, seconds.
MARINEMAP_LOOK_SECONDS = read_number("MARINEMAP_LOOK_SECONDS", 5, 0.5, 60)

# Whether the threads of a web server share one processor: it answers more for it.
MARINEMAP_WEB_ONE_PROCESSOR = read_flag("MARINEMAP_WEB_ONE_PROCESSOR", default=True)

# How many requests may be sent as one batch.
MARINEMAP_MAX_BATCH = read_count("MARINEMAP_MAX_BATCH", 100, 1, 1_000)

# How many streams of events may be open: in all, to one person, to one network address. A site for
# one machine has one person.
MARINEMAP_MAX_STREAMS = read_count("MARINEMAP_MAX_STREAMS", 2_000, 1, 20_000)
_streams = (50, 200) if _is_public else (MARINEMAP_MAX_STREAMS, MARINEMAP_MAX_STREAMS)
MARINEMAP_MAX_STREAMS_PERSON = read_count("MARINEMAP_MAX_STREAMS_PERSON", _streams[0], 1, 20_000)
MARINEMAP_MAX_STREAMS_ADDRESS = read_count("MARINEMAP_MAX_STREAMS_ADDRESS", _streams[1], 1, 20_000)

# Origins whose pages may read the API, without cookies; * is every page's.
MARINEMAP_CORS_ORIGINS = read_list("MARINEMAP_CORS_ORIGINS", ["*"], ORIGIN)

# What takes longer, in seconds, is run as a job and never within the request.
MARINEMAP_SYNC_SECONDS = read_number("MARINEMAP_SYNC_SECONDS", 10, 0, 60)
# An extract for which nothing is preferred is waited for within the request, if that time allows.
MARINEMAP_SYNC_BY_DEFAULT = read_flag("MARINEMAP_SYNC_BY_DEFAULT", False)
# A request like an earlier one is given its result; that it is done at once tells that somebody
# has asked for the same, which is for the operator to allow.
MARINEMAP_REUSE = read_flag("MARINEMAP_REUSE", False)
# Programs without a cookie find in the list of jobs those that such programs made from the same
# network address. On a site for one machine that is the same person; elsewhere it need not be.
MARINEMAP_LIST_BY_ADDRESS = read_flag("MARINEMAP_LIST_BY_ADDRESS", not _is_public)

# --- Django --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "marinemap.console.apps.ConsoleConfig",
    "marinemap.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_celery_results",
    "django_celery_beat",
    "marinemap.apps.MarineMapConfig",
    "marinemap.api",
    "marinemap.mail",
    "marinemap.tasks",
    "marinemap.catalogue",
    "marinemap.jobs",
    "marinemap.web",
]
MIDDLEWARE = [
    # Before all others, so that whatever they write bears the request's id.
    "marinemap.api.request_ids.RequestIdMiddleware",
    "marinemap.api.bodies.BodyMiddleware",
    "marinemap.languages.LanguageMiddleware",
    "marinemap.api.compression.CompressionMiddleware",
    "marinemap.api.cors.CorsMiddleware",
    # Before others, so that it sees their error pages.
    "marinemap.api.problems.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "marinemap.api.content_policy.ContentPolicyMiddleware",
    "marinemap.api.logins.LoginLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "marinemap.api.tokens.TokenMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "marinemap.urls"
WSGI_APPLICATION = "marinemap.wsgi.application"
ASGI_APPLICATION = "marinemap.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Into which all that people read is translated (marinemap/locale), and which of them are offered:
# the first to whoever's browser asks for none of them. What programs read is English.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "marinemap" / "locale"]
MARINEMAP_LANGUAGES = read_words("MARINEMAP_LANGUAGES", tuple(code for code, _ in LANGUAGES)) or [
    "en"
]

# The ground of maps, under all other layers.
MARINEMAP_BASE_LAYER = read_layer("MARINEMAP_BASE_LAYER", "land")

STATIC_URL = "static/"
STATIC_ROOT = MARINEMAP_HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# Under names that change with the content, so that browsers keep them for a year, each beside
# its compressed form. `manage.py web` collects them when it starts.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

# --- E-mail ------------------------------------------------------------------------------------

# Who is told when something fails.
ADMINS = read_addresses("DJANGO_ADMINS")
SERVER_EMAIL = DEFAULT_FROM_EMAIL = read_sender("DJANGO_DEFAULT_FROM_EMAIL", "marinemap@localhost")
EMAIL_SUBJECT_PREFIX = "[MarineMap] "
EMAIL_BACKEND = "marinemap.mail.backend.Backend"
EMAIL_HOST = read_mail_server("DJANGO_EMAIL_HOST")
EMAIL_PORT = read_count("DJANGO_EMAIL_PORT", 25, 1, 65535)
EMAIL_HOST_USER = read_text("DJANGO_EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = read_text("DJANGO_EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS, EMAIL_USE_SSL = read_encryption("DJANGO_EMAIL_USE_TLS", "DJANGO_EMAIL_USE_SSL")
EMAIL_TIMEOUT = 10
# To whom letters about their own requests are sent, where they ask for it: to people who have
# signed in, at the address of their account, or to whatever address anyone gives.
MARINEMAP_LETTERS = read_choice("MARINEMAP_LETTERS", ("nobody", "signed-in", "anyone")) or (
    "signed-in" if "DJANGO_EMAIL_HOST" in os.environ else "nobody"
)
# For how many requests a day: of a person, from a network address, and to one mailbox.
MARINEMAP_MAX_LETTERS_DAY = read_count("MARINEMAP_MAX_LETTERS_DAY", 50, 1, 100_000)

# --- Celery ----------------------------------------------------------------------------------

CELERY_BROKER_URL = read_broker(DATABASE_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The queue in the database keeps rates itself, over all workers. With another broker each worker
# keeps its own, so that it holds back early what the site's rate would (other_brokers).
CELERY_WORKER_DISABLE_RATE_LIMITS = CELERY_BROKER_URL.startswith("marinemap+")
CELERY_RESULT_BACKEND = "marinemap.jobs.results:PatientBackend"
# About three minutes in all, for whoever waits for a result.
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_RESULT_BACKEND_MAX_RETRIES = 20
CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS = 100
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 7 * 24 * 3600
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
# Pickle would let anyone who can write to the queue run code in the worker.
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_ALWAYS_EAGER = read_flag("CELERY_TASK_ALWAYS_EAGER", False)
# A message is acknowledged when its work is done, and a worker takes no more than it can run:
# what a killed worker held goes back to the queue.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = TIME_ZONE
# Short periodic tasks have a queue of their own, so that they do not wait behind a long job, and
# so have jobs of short processes. Who consumes from several looks into them by their names: of
# what waits, extracts come first, then help with those that run, and what anybody may ask for
# comes behind what looks after the site.
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name), routing_key=name)
    for name in ("celery", "parts", "periodic", "short")
]
CELERY_TASK_ROUTES = {
    "marinemap.jobs.periodic.*": {"queue": "periodic"},
    "celery.backend_cleanup": {"queue": "periodic"},
    "marinemap.jobs.tasks.run_short_job": {"queue": "short"},
    "marinemap.jobs.tasks.help_job": {"queue": "parts"},
}

# Where results go: a bucket (MARINEMAP_S3_*), or None for the site's folder.
MARINEMAP_STORAGE = read_storage()
MARINEMAP_KEEP_DAYS = read_text("MARINEMAP_KEEP_DAYS", "7")
# However often its owner renews a result.
MARINEMAP_KEEP_RENEWED_DAYS = read_text("MARINEMAP_KEEP_RENEWED_DAYS", "30")
MARINEMAP_KEEP_JOBS_DAYS = read_text("MARINEMAP_KEEP_JOBS_DAYS", "365")
MARINEMAP_MAX_ATTEMPTS = read_text("MARINEMAP_MAX_ATTEMPTS", "3")
MARINEMAP_MIN_FREE_MB = read_text("MARINEMAP_MIN_FREE_MB", "32")
MARINEMAP_MAX_WAITING_PERSON = read_text("MARINEMAP_MAX_WAITING_PERSON", "100")
MARINEMAP_MAX_WAITING_ADDRESS = read_text("MARINEMAP_MAX_WAITING_ADDRESS", "200")
# What one may ask for within 24 hours; 0 is no limit.
MARINEMAP_MAX_JOBS_DAY_PERSON = read_text("MARINEMAP_MAX_JOBS_DAY_PERSON", "0")
MARINEMAP_MAX_JOBS_DAY_ADDRESS = read_text("MARINEMAP_MAX_JOBS_DAY_ADDRESS", "0")
MARINEMAP_MAX_MB_DAY_PERSON = read_text("MARINEMAP_MAX_MB_DAY_PERSON", "0")
MARINEMAP_MAX_MB_DAY_ADDRESS = read_text("MARINEMAP_MAX_MB_DAY_ADDRESS", "0")
# What one run may take; 0 is no limit.
MARINEMAP_MAX_RUN_SECONDS = read_text("MARINEMAP_MAX_RUN_SECONDS", "7200")
MARINEMAP_MAX_RUN_MEMORY_MB = read_text("MARINEMAP_MAX_RUN_MEMORY_MB", "0")
MARINEMAP_MAX_RUN_FEATURES = read_text("MARINEMAP_MAX_RUN_FEATURES", "0")
MARINEMAP_MAX_RUN_MB = read_text("MARINEMAP_MAX_RUN_MB", "0")
# By how many other workers one extract is helped, and from how many features of a layer on.
MARINEMAP_SPLIT_WORKERS = read_count("MARINEMAP_SPLIT_WORKERS", 0, 0, 100)
MARINEMAP_SPLIT_FEATURES = read_count("MARINEMAP_SPLIT_FEATURES", 200_000, 1, 10**12)
MARINEMAP_MAX_WAITING = read_text("MARINEMAP_MAX_WAITING", "10000")
# Whether callbacks may lead to addresses of a private network, such as an agency's own.
MARINEMAP_CALLBACK_PRIVATE = read_flag("MARINEMAP_CALLBACK_PRIVATE", False)
# With which callbacks are signed, the new one first while it is changed; else the secret key.
MARINEMAP_WEBHOOK_SECRETS = read_secrets("MARINEMAP_WEBHOOK_SECRETS")
# Whom the operator has told of what is wrong with the site, of what, and from when on it is.
MARINEMAP_OPERATOR_WEBHOOKS = read_uris("MARINEMAP_OPERATOR_WEBHOOKS")
MARINEMAP_OPERATOR_EVENTS = read_words(
    "MARINEMAP_OPERATOR_EVENTS",
    (
        *("job.failed", "layer.unreadable", "worker.missing", "queue.growing", "disk.low"),
        "storage.away",
    ),
)
MARINEMAP_ALERT_WAIT_MINUTES = read_number("MARINEMAP_ALERT_WAIT_MINUTES", 60, 1, 100_000)
MARINEMAP_ALERT_FREE_MB = read_number("MARINEMAP_ALERT_FREE_MB", 1_000, 0, 1e9)
MARINEMAP_EXTRACT_RATE = read_rate("MARINEMAP_EXTRACT_RATE", "4/m")
CELERY_TASK_ANNOTATIONS = {
    "marinemap.jobs.tasks.run_job": {"rate_limit": MARINEMAP_EXTRACT_RATE},
    "marinemap.jobs.tasks.get_shps": {"rate_limit": MARINEMAP_EXTRACT_RATE},
    # More than one worker runs; with a rate their owners take turns.
    "marinemap.jobs.tasks.run_short_job": {"rate_limit": "10/s"},
}
CELERY_BEAT_SCHEDULER = "marinemap.jobs.schedule:EditableScheduler"

refuse_unknown()
