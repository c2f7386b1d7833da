"""What the engine's tests share: writing a source, and unpacking an archive."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

WriteSource = Callable[..., Path]
Unpack = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def patience(patient_reading: None) -> None:
    """Let nothing be a part for a machine that is slow; see ``patient_reading``."""


@pytest.fixture
def write_source(tmp_path: Path) -> WriteSource:
    """Write geometries and columns as one layer of a vector file; return its path."""

    def write(
        name: str,
        geometries: Sequence[Any],
        fields: Mapping[str, Sequence[Any]] | None = None,
        *,
        kind: str = "Polygon",
        crs: str | None = "EPSG:4326",
        **options: Any,
    ) -> Path:
        path = tmp_path / name
        columns = {"number": np.arange(len(geometries))} if fields is None else fields
        wkb = shapely.to_wkb(np.array(geometries, dtype=object), flavor="iso")
        pyogrio.raw.write(
            path,
            wkb,
            field_data=[np.asarray(column) for column in columns.values()],
            fields=list(columns),
            geometry_type=kind,
            crs=crs,
            append=path.exists(),
            **options,
        )
        return path

    return write


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """Unpack an archive into a folder of its own, which is returned."""

    def unpack_archive(archive: Path) -> Path:
        folder = tmp_path / f"unpacked-{archive.stem}"
        with zipfile.ZipFile(archive) as opened:
            assert opened.testzip() is None
            opened.extractall(folder)
        return folder

    return unpack_archive
