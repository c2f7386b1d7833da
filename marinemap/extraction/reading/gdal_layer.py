"""A layer as GDAL reads it: opened by pyogrio, streamed as Arrow, its failures named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.memory import return_what_was_freed
from marinemap.extraction.reading.codes import with_codes
from marinemap.extraction.reading.feature_ids import are_places, numbered, span_of
from marinemap.extraction.reading.json_columns import with_json
from marinemap.extraction.reading.layer_names import quietly
from marinemap.extraction.reading.points import Points, points_of
from marinemap.extraction.reading.zones import Zones, in_their_zones, schema_in_zones, zones_of
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source_files import parts_of, without_folder
from marinemap.extraction.sources.table_encoding import encoding_of
from marinemap.sentences import say

# Large enough for the work on arrays to outweigh the calls, small enough to keep memory flat
# and progress even.
_BATCH_FEATURES = 8_192
# GDAL ends a batch here, whatever its rows; one feature may have more.
_GDAL_BATCH_BYTES = 8 << 20
GDAL_ERRORS = (
    DataSourceError,
    DataLayerError,
    FieldError,
    GeometryError,
    OSError,
    UnicodeDecodeError,
    pa.ArrowException,
)
# Of the column of ids; no field's has such a sign.
ID_NAME = "\0id"
# Arguments of pyogrio that choose features.
Wanted = dict[str, Any]


@dataclass(frozen=True)
class GdalLayer:
    """Opens a layer's features for reading.

    Parameters
    ----------
    dataset : Dataset
    columns : sequence of str, optional
        The fields to read; all by default.
    key : str, optional
        The column of keys, where it has a name of the data's own: then it is a field.
    """

    dataset: Dataset
    columns: Sequence[str] | None = None
    key: str | None = None

    @property
    def is_shapefile(self) -> bool:
        """Whether it is read from a shapefile."""
        return self.dataset.file.suffix.lower() == ".shp"

    def stream(self, wanted: Wanted) -> Iterator[Any]:
        """Yield Arrow's batches; a feature too large for one comes alone."""
        done = 0
        try:
            for batch in self._batches(wanted, self._rows_at_once):
                done += batch.num_rows
                yield batch
            return
        except _TooLarge:
            pass
        yield from self._batches(wanted, 1, skip_features=done, limit=None)

    @contextmanager
    def open(
        self,
        wanted: Wanted,
        batch_size: int,
        skip_features: int = 0,
        limit: int | None = _GDAL_BATCH_BYTES,
    ) -> Iterator[Any]:
        """Open some features as pyogrio does, in batches of at most so many rows and bytes.

        The last column has the features' ids.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        pyogrio.set_gdal_config_options(
            # GDAL 3.12's own way for FlatGeobuf ends at the limit as if the file did, and makes
            # broken arrays of features without geometry.
            {"OGR_ARROW_MEM_LIMIT": limit and str(limit), "OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"}
        )
        if limit is not None:
            batch_size = min(batch_size, self._rows_at_once)
        options = {"columns": self._columns, "return_fids": True, **wanted}
        # Before the file is open, for it may have to be opened once more.
        _ = self._mend
        if source_format_of(self.dataset.file).is_held:
            return_what_was_freed()
        try:
            with ExitStack() as stack:
                with quietly():
                    meta, reader = stack.enter_context(
                        pyogrio.open_arrow(
                            self.dataset.file,
                            layer=self.dataset.layer,
                            batch_size=batch_size,
                            skip_features=skip_features,
                            encoding=self._encoding,
                            use_pyarrow=True,
                            datetime_as_string=bool(self._zones),
                            **self._options,
                            **self._asked(options),
                        )
                    )
                shown = partial(self._shown, options)
                batches = _Batches(reader, batch_size, shown, self._zones, self.dataset.title)
                try:
                    yield meta, batches
                finally:
                    batches.run_out()
        except pa.ArrowMemoryError as error:
            raise _TooLarge from error
        except GDAL_ERRORS as error:
            raise self.unreadable(error) from error

    def table_by_ids(self, wanted: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the name of the column of ids, and features (pyarrow.Table) with them.

        Parameters
        ----------
        wanted : mapping
            Arguments of pyogrio; ``fids`` are ids.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        places = wanted.get("fids") if are_places(self.dataset) else None
        if places is not None:
            first, count = span_of(places, self.dataset.feature_count)
            others = {name: each for name, each in wanted.items() if name != "fids"}
            wanted = {**others, "skip_features": first, "max_features": count}
        meta, table = self.table(return_fids=True, **wanted)
        name = _free(str(meta["fid_column"]), table.schema.names[1:])
        table = table.rename_columns([name, *table.schema.names[1:]])
        if are_places(self.dataset):
            table = numbered(table, name, wanted.get("skip_features", 0))
        if places is not None:
            table = table.filter(pa.array(np.isin(np.asarray(table.column(name)), places)))
        return name, table

    def attributes(self, condition: str) -> Any:
        """Return the attributes (pyarrow.Table) of the features that a condition of SQL holds for.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        wanted = {"columns": self._columns, "return_fids": self._has_key, "where": condition}
        return self.table(read_geometry=False, **wanted)[1]

    def table(self, **wanted: Any) -> tuple[Mapping[str, Any], Any]:
        """Return what pyogrio tells of features, and the features (pyarrow.Table).

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        try:
            with quietly():
                meta, table = pyogrio.read_arrow(
                    self.dataset.file,
                    layer=self.dataset.layer,
                    encoding=self._encoding,
                    datetime_as_string=bool(self._zones),
                    **self._options,
                    **self._asked(wanted),
                )
        except (*GDAL_ERRORS, ValueError) as error:
            raise self.unreadable(error) from error
        if self._mend is not None and wanted.get("return_fids"):
            table = self._mend(table)
        table = with_codes(with_json(in_their_zones(table, self._zones, self.dataset.title)))
        return meta, table if self._points is None else self._points.made(table, wanted)

    def unreadable(self, error: Exception) -> DatasetError:
        """Return what to say of a failure of GDAL or Arrow."""
        return DatasetError(
            say(
                "{title} cannot be read: {why}",
                title=self.dataset.title,
                why=without_folder(error, self.dataset.file),
            ),
            field="source",
        )

    def _batches(
        self, wanted: Wanted, batch_size: int, skip_features: int = 0, **options: Any
    ) -> Iterator[Any]:
        with self.open(wanted, batch_size, skip_features, **options) as (_, reader):
            for batch in reader:
                is_numbered = are_places(self.dataset)
                yield numbered(batch, ID_NAME, skip_features) if is_numbered else batch
                skip_features += batch.num_rows

    def _asked(self, wanted: Wanted) -> Wanted:
        return wanted if self._points is None else self._points.asked(wanted)

    def _shown(self, wanted: Wanted, batch: Any) -> Any:
        """Return a batch of GDAL's with its geometries, and its ids in the last column."""
        batch = batch if self._mend is None else self._mend(batch)
        batch = batch if self._points is None else self._points.made(batch, wanted)
        return _ids_last(with_codes(with_json(batch)), is_field=self._has_key)

    @cached_property
    def _points(self) -> Points | None:
        return points_of(self.dataset.file)

    @cached_property
    def _mend(self) -> Callable[[Any], Any] | None:
        return source_format_of(self.dataset.file).mend(self.dataset.file, self.dataset.layer)

    @property
    def _has_key(self) -> bool:
        """Whether the column of keys is a field that is read."""
        return self.key is not None and (self.columns is None or self.key in self.columns)

    @property
    def _columns(self) -> list[str] | None:
        """The fields that pyogrio is told to read; keys it gives as ids."""
        wanted = self.columns
        return None if wanted is None else [name for name in wanted if name != self.key]

    @cached_property
    def _rows_at_once(self) -> int:
        return min(_BATCH_FEATURES, rows_within_file(self.dataset, _GDAL_BATCH_BYTES))

    @cached_property
    def _options(self) -> Mapping[str, str]:
        return source_format_of(self.dataset.file).options(self.dataset.file)

    @cached_property
    def _encoding(self) -> str | None:
        return encoding_of(self.dataset.file)

    @cached_property
    def _zones(self) -> Zones:
        return zones_of(self.dataset)


def _free(name: str, taken: Sequence[str]) -> str:
    """Return a name for the ids that no field has; some have GDAL's own, ``OGC_FID``."""
    while name in taken:
        name += "_"
    return name


def _ids_last(batch: Any, *, is_field: bool) -> Any:
    """Return a batch with the ids, which GDAL gives first, in its last column; as a field too."""
    order = [*range(0 if is_field else 1, batch.num_columns), 0]
    fields = [batch.schema.field(at) for at in order]
    # By its place, for a field may have any name.
    schema = pa.schema([*fields[:-1], fields[-1].with_name(ID_NAME)])
    return pa.RecordBatch.from_arrays([batch.column(at) for at in order], schema=schema)


def rows_within_file(dataset: Dataset, most_bytes: int) -> int:
    """Return how many features take so many bytes in their file, one at least."""
    size = sum(part.stat().st_size for part in parts_of(dataset.file))
    each = size / max(dataset.feature_count, 1)
    return int(max(1, most_bytes // max(each, 1)))


class _Batches:
    """The batches of a stream, which is read to its end where GDAL cannot be left.

    Left behind a batch that ended for its bytes and not for its rows, GDAL's thread for
    GeoPackages goes on to fill an array that is gone, and the process is (GDAL 3.12.4).
    """

    def __init__(
        self, reader: Any, rows: int, shown: Callable[[Any], Any], zones: Zones, title: str
    ) -> None:
        nothing = shown(pa.RecordBatch.from_pylist([], schema=reader.schema))
        self.schema = schema_in_zones(nothing.schema, zones)
        self._reader = reader
        self._rows = rows
        self._shown = shown
        self._zones = zones
        self._title = title
        self._is_cut = False

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self._reader)
        while (batch := next(batches, None)) is not None:
            self._is_cut = batch.num_rows < self._rows
            yield in_their_zones(self._shown(batch), self._zones, self._title)
            # What fails from here on has come to its end.
            self._is_cut = False

    def run_out(self) -> None:
        """Read what GDAL cannot be left before; whoever has gone wants none of it."""
        if self._is_cut:
            with suppress(*GDAL_ERRORS):
                for _ in self._reader:
                    pass


class _TooLarge(Exception):
    """A feature takes more memory than a batch may."""
