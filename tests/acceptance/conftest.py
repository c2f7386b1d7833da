"""Whole sites on each database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.running_site import RunningSite
from tests.postgresql import make_database, postgresql_server


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with postgresql_server() as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, marine_gpkg: Path
) -> RunningSite:
    """A site with a migrated database and three layers, made once, to be copied."""
    home = tmp_path_factory.mktemp(f"prepared-{request.param}")
    url = None
    if request.param == "postgresql":
        url = make_database(request.getfixturevalue("postgresql_url"), "prepared")
    site = RunningSite(home, url)
    site.manage("migrate", "--verbosity", "0")
    for layer in ("reefs", "coastline", "ports"):
        site.manage("addlayer", layer, marine_gpkg, "--layer", layer)
    return site


@pytest.fixture
def make_site(prepared: RunningSite, tmp_path: Path) -> Iterator[Callable[..., RunningSite]]:
    """Make sites with a database of their own and three layers; stop them at the end."""
    sites: list[RunningSite] = []

    def make(**settings: str) -> RunningSite:
        home = tmp_path / f"home-{len(sites)}"
        shutil.copytree(prepared.home, home)
        url = prepared.environment.get("DATABASE_URL")
        if url:
            url = make_database(url, f"site_{len(sites)}", template="prepared")
        sites.append(RunningSite(home, url, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()
