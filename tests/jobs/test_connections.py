"""A database that lets in too few connections is told of before people notice."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.running_site import RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)

_LOOK = """
from django.core.checks import run_checks
from django.db import connection
from marinemap.jobs.connections import find_shortage
with connection.cursor() as cursor:
    for limit in ({limits}):
        cursor.execute(f"ALTER DATABASE {name} CONNECTION LIMIT {{limit}}")
        print(find_shortage())
found = run_checks(include_deployment_checks=True)
print([each.msg for each in found if each.id == "marinemap.W010"])
print(find_shortage(100))
"""


def test_too_few_connections_are_told_by_the_check_and_in_the_workers_log(
    make_site: Callable[..., RunningSite],
) -> None:
    site = make_site()
    name = urlsplit(site.environment["DATABASE_URL"]).path.lstrip("/")
    code = _LOOK.format(name=name, limits="-1, 40, 39")
    told = site.manage("shell", "-v", "0", "-c", code).splitlines()
    assert told[:2] == ["None", "None"]
    assert told[2].startswith("PostgreSQL lets this site have 39 connections at once; 1 web server")
    assert "need up to 40" in told[2] and "ALTER DATABASE" in told[2]
    assert told[3] == f"[{told[2]!r}]"
    # A pool of a hundred.
    assert "need up to 337" in told[4]
    site.start_web()
    site.start_worker()
    wait_for(lambda: told[2] in site.log("worker"), "the warning in the worker's log")
