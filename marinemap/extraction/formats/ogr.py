"""Write a layer through GDAL, which pulls the features while we push them."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataSourceError, FeatureError, FieldError, GeometryError

from marinemap.errors import MarineMapError, ServiceError
from marinemap.extraction.formats.columns import Columns
from marinemap.extraction.formats.crs_text import check_stated, gdal_wkt
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.written import Loss, WrittenLayer
from marinemap.extraction.geometry.plain_rows import joined_boxes, total_bounds
from marinemap.extraction.geometry.wkb import dimensions
from marinemap.extraction.words import counted

_ERRORS = (DataSourceError, FeatureError, FieldError, GeometryError, RuntimeError, OSError)
_END = None
# How long to wait on a full queue before looking whether GDAL still listens.
_POLL_SECONDS = 0.1


class OgrWriter:
    """One file of one layer, written by one of GDAL's drivers in a thread of its own.

    Parameters
    ----------
    plan : WritePlan
    columns : Columns
    format_id : str
    suffix : str
    driver : str
        GDAL's name for the format.
    geometry_type : str
        As pyogrio names it; ``Unknown`` for any.
    options : mapping of str
        Of the layer, as GDAL names them.
    name : str, optional
        Names the file, without a suffix; the plan's by default.
    """

    def __init__(
        self,
        plan: WritePlan,
        columns: Columns,
        format_id: str,
        suffix: str,
        driver: str,
        geometry_type: str,
        options: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self._plan = plan
        self._columns = columns
        self._format = format_id
        self._layer = name or plan.name
        self._path = plan.folder / f"{self._layer}{suffix}"
        self._type = geometry_type
        self._features = 0
        self._bounds = np.full(4, np.nan)
        self._failure: BaseException | None = None
        self._waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
        self._abandoned = threading.Event()
        geometry = pa.field(free_name("geometry", columns.schema.names), pa.binary())
        self._schema = columns.schema.append(geometry)
        self._thread = threading.Thread(
            target=self._run, args=(driver, dict(options or {})), daemon=True
        )
        self._thread.start()

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features.

        Raises
        ------
        ServiceError
            If GDAL cannot write them.
        """
        self.write_columns(geometries, self._columns.written(attributes))

    def write_columns(self, geometries: Any, columns: list[Any]) -> None:
        """Append features whose columns are as the format holds them."""
        batch = pa.RecordBatch.from_arrays([*columns, geometries], schema=self._schema)
        self._offer(batch)
        self._features += len(batch)
        self._bounds = joined_boxes(np.stack([self._bounds, total_bounds(geometries)]))

    def close(self) -> list[WrittenLayer]:
        """Finish the file."""
        self._offer(_END)
        self._thread.join()
        self._check()
        check_stated(self._path, self._layer, self._plan.crs)
        return [
            WrittenLayer(
                self._format,
                self._path,
                _files_of(self._path),
                self._layer,
                self._type,
                self._features,
                self._columns.names,
                bounds=None if np.isnan(self._bounds).any() else tuple(self._bounds.tolist()),
                losses=tuple(self._columns.losses()),
                unseen=self._columns.unseen,
            )
        ]

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._abandoned.set()
        self._thread.join()

    def _run(self, driver: str, options: dict[str, str]) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pyogrio.write_arrow(
                    pa.RecordBatchReader.from_batches(self._schema, self._received()),
                    self._path,
                    layer=self._layer,
                    driver=driver,
                    geometry_name=self._schema.names[-1],
                    geometry_type=self._type,
                    crs=gdal_wkt(self._plan.crs),
                    layer_options=options,
                )
        except BaseException as error:
            self._failure = error

    def _received(self) -> Iterator[Any]:
        while not self._abandoned.is_set():
            try:
                batch = self._waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if batch is _END:
                return
            yield batch

    def _offer(self, item: Any) -> None:
        while True:
            self._check()
            try:
                self._waiting.put(item, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def _check(self) -> None:
        if isinstance(self._failure, _ERRORS):
            raise self._told(self._failure) from self._failure
        if self._failure is not None:
            raise self._failure

    def _told(self, failure: Exception) -> MarineMapError:
        """Return what is told of a failure of GDAL's."""
        plain = str(failure).replace(f"{self._path.parent}/", "")
        return ServiceError(f"{self._path.name} cannot be written: {plain}")


class MeasureCount:
    """Counts the features whose measures (M) a format leaves out."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, geometries: Any) -> None:
        """Count those of a batch."""
        self._count += int(dimensions(geometries)[1].sum())

    def losses(self) -> list[Loss]:
        """Return the loss, if any."""
        detail = f"the measures (M) of {counted(self._count)} are left out: the format has none"
        return [Loss("measure", "", self._count, detail)] if self._count else []


def multi_type(plan: WritePlan) -> str:
    """Return the geometry type that holds single and multi alike, ``Unknown`` where it is open."""
    kind = declared_kind(plan)
    return f"{kind} Z" if plan.has_z and kind != "Unknown" else kind


def declared_kind(plan: WritePlan) -> str:
    """Return what a layer is declared to hold, without heights: singles as multi but points."""
    plain = plan.geometry_type.removeprefix("3D ")
    single = {"LinearRing": "LineString"}.get(plain, plain).removeprefix("Multi")
    if single not in ("Point", "LineString", "Polygon"):
        return "Unknown"
    return "Point" if plain == "Point" else f"Multi{single}"


def free_name(name: str, taken: list[str]) -> str:
    """Return a name that none of the fields has."""
    while name in (field.lower() for field in taken):
        name += "_"
    return name


def _files_of(path: Path) -> tuple[Path, ...]:
    """Return the files beside a path with its name, and all in a folder."""
    # A layer's name has no dot, so that no other's files begin so.
    beside = sorted(path.parent.glob(f"{path.stem}.*"))
    inside = (file for each in beside for file in ([each] if each.is_file() else each.rglob("*")))
    return tuple(sorted(file for file in inside if file.is_file()))
