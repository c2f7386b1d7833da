"""Write a layer through GDAL, which pulls the features while we push them."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataSourceError, FeatureError, FieldError, GeometryError

from marinemap.errors import ServiceError
from marinemap.extraction.fields import to_plain_text
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.written import Loss, WrittenLayer

_ERRORS = (DataSourceError, FeatureError, FieldError, GeometryError, RuntimeError, OSError)
_END = None
# How long to wait on a full queue before looking whether GDAL still listens.
_POLL_SECONDS = 0.1


class OgrWriter:
    """One file of one layer, written by one of GDAL's drivers in a thread of its own.

    Parameters
    ----------
    plan : WritePlan
    format_id : str
    suffix : str
    driver : str
        GDAL's name for the format.
    geometry_type : str
        As pyogrio names it; ``Unknown`` for any.
    options : mapping of str
        Of the layer, as GDAL names them.
    """

    def __init__(
        self,
        plan: WritePlan,
        format_id: str,
        suffix: str,
        driver: str,
        geometry_type: str,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._plan = plan
        self._format = format_id
        self._path = plan.folder / f"{plan.name}{suffix}"
        self._type = geometry_type
        self._features = 0
        self._failure: BaseException | None = None
        self._waiting: queue.Queue[Any] = queue.Queue(maxsize=2)
        self._abandoned = threading.Event()
        self._schema = _written_schema(plan.schema)
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
        columns = [_kept(column) for column in attributes.columns]
        batch = pa.RecordBatch.from_arrays([*columns, geometries], schema=self._schema)
        self._offer(batch)
        self._features += len(batch)

    def close(self) -> list[WrittenLayer]:
        """Finish the file."""
        self._offer(_END)
        self._thread.join()
        self._check()
        names = {name: name for name in self._plan.schema.names}
        inside = sorted(self._plan.folder.rglob("*"))
        layer = WrittenLayer(
            self._format,
            self._path,
            tuple(path for path in inside if path.is_file()),
            self._plan.name,
            self._type,
            self._features,
            names,
            losses=tuple(self._losses()),
        )
        return [layer]

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
                    layer=self._plan.name,
                    driver=driver,
                    geometry_name=self._schema.names[-1],
                    geometry_type=self._type,
                    crs=self._plan.crs.to_wkt(),
                    layer_options=options,
                )
        except BaseException as error:
            self._failure = error

    def _losses(self) -> list[Loss]:
        """List the fields whose type not every driver of GDAL keeps."""
        return [
            Loss("type_changed", field.name, 0, f"'{field.name}' ({field.type}) is kept as text")
            for field, kept in zip(self._plan.schema, self._schema, strict=False)
            if field.type != kept.type and pa.types.is_string(kept.type)
        ]

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
            plain = str(self._failure).replace(f"{self._path.parent}/", "")
            raise ServiceError(f"{self._path.name} cannot be written: {plain}") from self._failure
        if self._failure is not None:
            raise self._failure


def multi_type(plan: WritePlan) -> str:
    """Return the geometry type that holds single and multi alike, ``Unknown`` where it is open."""
    plain = plan.geometry_type.removeprefix("3D ").removeprefix("Multi")
    plain = {"LinearRing": "LineString"}.get(plain, plain)
    if plain not in ("Point", "LineString", "Polygon"):
        return "Unknown"
    is_point = plan.geometry_type.removeprefix("3D ") == "Point"
    kind = "Point" if is_point else f"Multi{plain}"
    return f"{kind} Z" if plan.has_z else kind


def _written_schema(schema: Any) -> Any:
    fields = [pa.field(f.name, pa.string() if _becomes_text(f.type) else f.type) for f in schema]
    name = "geometry"
    while name in (field.name.lower() for field in fields):
        name += "_"
    return pa.schema([*fields, pa.field(name, pa.binary())])


def _kept(column: Any) -> Any:
    return to_plain_text(column) if _becomes_text(column.type) else column


def _becomes_text(type_: Any) -> bool:
    odd = pa.types.is_nested(type_) or pa.types.is_duration(type_) or pa.types.is_time(type_)
    return bool(
        odd or pa.types.is_dictionary(type_) or pa.types.is_decimal(type_) or type_ == pa.uint64()
    )
