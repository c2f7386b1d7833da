"""The project's settings, in a home that lasts as long as the test run."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_HOME = Path(tempfile.mkdtemp(prefix="marinemap-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

# What the person who runs the tests has set for a site of theirs must not reach the tests.
for _name in list(os.environ):
    if _name.startswith(("MARINEMAP_", "DJANGO_", "CELERY_")) or _name == "DATABASE_URL":
        if _name not in ("DJANGO_SETTINGS_MODULE", "MARINEMAP_TEST_DATABASE_URL"):
            del os.environ[_name]
if _url := os.environ.pop("MARINEMAP_TEST_DATABASE_URL", None):
    os.environ["DATABASE_URL"] = _url
os.environ["MARINEMAP_HOME"] = str(_HOME)

from marinemap.settings import *  # noqa: E402, F403
from marinemap.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # In a file: the threads of a run write through connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": _HOME / "test.sqlite3"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
