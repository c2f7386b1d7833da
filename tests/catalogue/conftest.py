"""What the catalogue's tests share: a home for each test, and a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give each test a home of its own, with the folder that WhiteNoise warns of if missing.

    Layers may be added in the admin site from what tests make.
    """
    settings.MARINEMAP_LAYER_FOLDERS = [str(tmp_path_factory.getbasetemp())]
    settings.MARINEMAP_HOME = tmp_path / "home"
    settings.STATIC_ROOT = tmp_path / "home" / "static"
    settings.STATIC_ROOT.mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def reefs(db: None, marine_gpkg: Path) -> Layer:
    """The reefs of the small sea, in the catalogue."""
    return register("reefs", marine_gpkg, "reefs")[0]
