"""A database that gives no answer is told at once, and stands in nobody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests

from tests.running_site import RunningSite, wait_for
from tests.transport.interference import Proxy

pytestmark = pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)

# The shortest that libpq knows; a statement waits twice as long.
_CONNECT_SECONDS = 2
_CLIENTS = 40


@pytest.fixture
def site(make_site: Callable[..., RunningSite]) -> RunningSite:
    return make_site()


@pytest.fixture
def network(site: RunningSite) -> Iterator[Proxy]:
    """Put a network that may fail between a web server and its database."""
    address, _, name = site.environment["DATABASE_URL"].rpartition("/")
    before, _, port = address.rpartition(":")
    proxy = Proxy(int(port))
    url = f"{before}:{proxy.port}/{name}?connect_timeout={_CONNECT_SECONDS}"
    site.environment["DATABASE_URL"] = url
    site.start_web()
    yield proxy
    proxy.close()


def test_mute_database_holds_up_no_answer_that_needs_none(
    site: RunningSite, network: Proxy
) -> None:
    def ask(_: int = 0) -> int:
        return requests.get(f"{site.base}/api/jobs", timeout=180).status_code

    with ThreadPoolExecutor(_CLIENTS) as clients:
        # Of a site that has just begun some may wait for longer than it waits for its database.
        wait_for(lambda: set(clients.map(ask, range(_CLIENTS))) == {200}, "an answer for each")
        network.mute()
        before = network.made
        assert set(clients.map(ask, range(_CLIENTS))) == {503}
        # Eight threads, each of which waited until a statement is given up and then for a
        # connection: the others waited for one of their own after them, and do not now.
        assert network.made - before < _CLIENTS / 2
        # Those that ask from now on hold no thread.
        asked = [clients.submit(ask) for _ in range(_CLIENTS)]
        assert requests.get(f"{site.base}/healthz", timeout=180).json()["status"] == "down"
        assert requests.get(site.base, timeout=180).status_code == 200
        assert {each.result() for each in asked} == {503}
        network.cut()
        network.revive()
        wait_for(lambda: ask() == 200, "an answer")


def test_database_that_takes_no_writes_is_told_as_that(site: RunningSite) -> None:
    url = site.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    site.start_web()
    found = requests.get(f"{site.base}/readyz", timeout=180)
    assert (found.status_code, found.json()["status"]) == (503, "read-only")
    assert found.json()["database"] == "read-only"
    assert requests.get(f"{site.base}/healthz", timeout=180).status_code == 200
