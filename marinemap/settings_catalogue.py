"""The settings of the engine and the catalogue, on which the site's stand.

A command that needs no more (``manage.py extract``) starts on these alone: Celery, the admin site
and the other apps take longer to import than a small extract takes to make.
"""

from __future__ import annotations

from pathlib import Path

from marinemap.addresses import (
    database_in,
    read_database,
    read_postgis_servers,
    read_source_prefixes,
)
from marinemap.environment import (
    read_choice,
    read_home,
    read_number,
    read_time_zone,
    refuse_unknown,
)
from marinemap.logs.setting_up import FORMATS, make_config
from marinemap.transport.forks import GuardedConnection

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
# As text for people, or JSON for machines.
MARINEMAP_LOG_FORMAT = read_choice("MARINEMAP_LOG_FORMAT", tuple(FORMATS)) or "text"

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
        # 3 of 52 power cuts on ext4; EXTRA lost none. What does not fit into the cache (2 MB) stays
        # in memory until the commit: written before, it locks all others out, the queue's own
        # connection included.
        "init_command": "PRAGMA synchronous=EXTRA; PRAGMA cache_spill=OFF",
        # A worker replaces its pool's processes while its threads write to the file; one that is
        # forked amid a transaction could never write.
        "factory": GuardedConnection,
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

# --- The databases that layers may be read from -----------------------------------------------

MARINEMAP_POSTGIS_SERVERS = read_postgis_servers()
# How long one may be silent, and a look at a table take.
MARINEMAP_POSTGIS_SECONDS = read_number("MARINEMAP_POSTGIS_SECONDS", 60, least=1, most=3_600)

# --- The servers that files may be read from ---------------------------------------------------

MARINEMAP_SOURCE_PREFIXES = read_source_prefixes()
# How long one may be silent.
MARINEMAP_SOURCE_SECONDS = read_number("MARINEMAP_SOURCE_SECONDS", 30, least=1, most=3_600)

# --- Logging ---------------------------------------------------------------------------------

LOGGING = make_config(MARINEMAP_LOG_FORMAT)
