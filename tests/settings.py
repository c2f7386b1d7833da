"""The project's settings, in a home that lasts as long as the test run."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_HOME = Path(tempfile.mkdtemp(prefix="marinemap-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

# What the person who runs the tests has set for a site of theirs must not reach the tests.
_KEPT = ("DJANGO_SETTINGS_MODULE", "MARINEMAP_TEST_DATABASE_URL")
for _name in set(os.environ) - set(_KEPT):
    if _name.startswith(("MARINEMAP_", "DJANGO_", "CELERY_")) or _name == "DATABASE_URL":
        del os.environ[_name]
if _url := os.environ.pop("MARINEMAP_TEST_DATABASE_URL", None):
    os.environ["DATABASE_URL"] = _url
os.environ["MARINEMAP_HOME"] = str(_HOME)
# A busy machine is no fault; what tests how long is looked sets its own.
os.environ["MARINEMAP_LOOK_SECONDS"] = "30"

from marinemap.settings import *  # noqa: E402, F403
from marinemap.settings import DATABASE_URL, DATABASES, STORAGES  # noqa: E402

# pytest-xdist runs the tests in several processes; pytest-django gives each its own database.
_process = os.environ.get("PYTEST_XDIST_WORKER")
_suffix = f"_{_process}" if _process else ""
# The queue is in the database that the tests run on, as in a site it is in the site's.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # In a file: the threads of a run write through connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": _HOME / "test.sqlite3"}
    CELERY_BROKER_URL = f"marinemap+sqlite:///{_HOME}/test.sqlite3{_suffix}"
else:
    _server, _, _name = DATABASE_URL.partition(":")[2].rpartition("/")
    CELERY_BROKER_URL = f"marinemap+postgresql:{_server}/test_{_name}{_suffix}"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Collecting static files is what a server does when it starts.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
