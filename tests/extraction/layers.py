"""Sources and archives for the engine's tests, made on the spot."""

from __future__ import annotations

import itertools
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from marinemap.extraction import ExtractionRequest, ExtractionResult, SourceLayer, extract

AREA = [0.0, 0.0, 10.0, 10.0]


def write_layer(
    path: Path,
    geometries: Sequence[Any],
    columns: Mapping[str, Any] | None = None,
    *,
    kind: str = "Unknown",
    crs: str = "EPSG:4326",
    driver: str = "GPKG",
    layer_options: Mapping[str, str] | None = None,
    layer: str | None = None,
) -> Path:
    """Write geometries and Arrow columns as one layer; None is a missing geometry."""
    fields = (
        {"number": pa.array(range(len(geometries)), pa.int32())} if columns is None else columns
    )
    wkb = pa.array(shapely.to_wkb(np.array(geometries, object), flavor="iso"), pa.binary())
    table = pa.table({**fields, "geom_": wkb})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyogrio.write_arrow(
            table,
            path,
            driver=driver,
            geometry_name="geom_",
            geometry_type=kind,
            crs=crs,
            layer_options=layer_options,
            layer=layer,
        )
    return path


def run(source: Path, folder: Path, area: Any = AREA, **request: Any) -> ExtractionResult:
    """Extract one file's layer, named ``sea``, into ``folder/out.zip``."""
    of_layer = {key: request.pop(key) for key in ("fields", "filter", "layer") if key in request}
    layer = SourceLayer("sea", source, **of_layer)
    return extract(ExtractionRequest([layer], area, folder / "out.zip", **request))


def unpack(result: ExtractionResult) -> Path:
    """Unpack an archive into a new folder beside it."""
    parent = result.archive.parent
    folder = next(p for n in itertools.count() if not (p := parent / f"out-{n}").exists())
    with zipfile.ZipFile(result.archive) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def read(path: Path) -> tuple[Any, dict[str, list[Any]]]:
    """Read a file back with pyogrio: geometries, and columns as lists."""
    meta, _, wkb, data = pyogrio.raw.read(path)
    columns = {name: data[i].tolist() for i, name in enumerate(meta["fields"])}
    return shapely.from_wkb(wkb), columns
