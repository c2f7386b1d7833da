"""What the tests of processes share: a layer of the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register


@pytest.fixture
def reefs(db: None, marine_gpkg: Path) -> Layer:
    """The reefs of the small sea, in the catalogue."""
    return register("reefs", marine_gpkg, "reefs")[0]
