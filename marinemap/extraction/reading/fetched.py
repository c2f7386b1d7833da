"""A FlatGeobuf on a server: what its index finds is fetched, and read by GDAL as if it lay here."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.dataset import Bounds, Dataset, KnownZones
from marinemap.extraction.flatgeobuf.features import Fetched, fetch
from marinemap.extraction.flatgeobuf.layout import Layout
from marinemap.extraction.flatgeobuf.opened import opened
from marinemap.extraction.flatgeobuf.tree import find_near, root_box
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.own_layer import GEOMETRY_NAME, KEY_NAME, OwnLayer, Reader
from marinemap.extraction.picked import Rows, Touching
from marinemap.extraction.reading.arrow_batches import geometry_place
from marinemap.extraction.reading.gdal_layer import GDAL_ERRORS, GdalLayer
from marinemap.extraction.reading.passed_over import miscounted
from marinemap.extraction.reading.zones import Zones, known_or_found, zones_in_files
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.ranges import Ranges
from marinemap.extraction.sources.source import damaged
from marinemap.extraction.sources.source_files import fingerprint, in_its_state

# As many as GDAL's own description looks at.
_LOOKED_AT = 100
# Of a file's name on the disk.
_MOST_LETTERS = 60
# Whoever wrote the index may have rounded otherwise than the geometries are read.
_ULPS = 4

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FetchedLayer(OwnLayer):
    """Opens a file's features for reading; their geometries always come.

    Parameters
    ----------
    dataset : Dataset
        As it is described.
    """

    dataset: Dataset = field(kw_only=True)

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return self.dataset.title

    def stream(self, wanted: Mapping[str, Any]) -> Iterator[Any]:
        """Yield Arrow's batches in the order of the file; features' places are in the last column.

        Raises
        ------
        DatasetError, UnavailableError
            If the file cannot be read.
        """
        with opened(self.place) as (ranges, layout):
            yield from self._batches(ranges, layout, _places(ranges, layout, wanted))

    @contextmanager
    def open(self, wanted: Mapping[str, Any], most: int | None) -> Iterator[Any]:
        """Open some features as pyogrio does, at most so many, the first in the file.

        Their places are in the last column.

        Raises
        ------
        DatasetError, UnavailableError
            As ``stream`` does.
        """
        with opened(self.place) as (ranges, layout):
            places = _first(_places(ranges, layout, wanted), most)
            with closing(self._batches(ranges, layout, places)) as batches:
                begun = next(batches, None)
                if begun is None:
                    yield {}, Reader(self._schema(ranges, layout), iter(()))
                else:
                    yield {}, Reader(begun.schema, chain([begun], batches))

    def _batches(self, ranges: Ranges, layout: Layout, places: Iterator[Array]) -> Generator[Any]:
        for some in places:
            for fetched in fetch(ranges, layout, some):
                yield from self._read(layout, fetched)

    def _read(self, layout: Layout, fetched: Fetched) -> Iterator[Any]:
        """Yield features as GDAL reads them."""
        done = 0
        with _written(layout, fetched) as path:
            for batch in self._here(path, len(fetched.places)).stream({}):
                span = slice(done, done + batch.num_rows)
                named = _named(batch, fetched.places[span])
                _check_boxes(layout, named, fetched.boxes[span])
                yield named
                done += batch.num_rows
        if done != len(fetched.places):
            raise miscounted(self.title, done, len(fetched.places))

    def _schema(self, ranges: Ranges, layout: Layout) -> Any:
        """Return the schema of what is read, where nothing is wanted."""
        first = np.arange(min(1, layout.count))
        for batch in self._batches(ranges, layout, iter([first])):
            return batch.schema
        with _written(layout, None) as path, self._here(path, 0).open({}, 1) as (_, reader):
            nothing = pa.RecordBatch.from_pylist([], schema=reader.schema)
            return _named(nothing, first).schema

    def _here(self, path: Path, count: int) -> GdalLayer:
        zones = KnownZones(fingerprint(path), tuple(fetched_zones(self.dataset).items()))
        here = replace(self.dataset, path=path, feature_count=count, known_zones=zones)
        return GdalLayer(here, self.columns)


@contextmanager
def first_features(place: Remote) -> Iterator[tuple[Path, Bounds | None, int]]:
    """Yield a file of the first features, the box of all, and how many these are.

    Raises
    ------
    DatasetError, UnavailableError
        If it cannot be read.
    """
    with opened(place) as (ranges, layout):
        places = np.arange(min(_LOOKED_AT, layout.count))
        fetched = next(fetch(ranges, layout, places), None)
        with _written(layout, fetched) as path:
            yield path, root_box(ranges, layout), layout.count


def fetched_zones(dataset: Dataset) -> Zones:
    """Return the zone of each field of moments of which some bear one; may fetch all features.

    Raises
    ------
    DatasetError, UnavailableError
        If they cannot be read.
    """
    names = tuple(field.name for field in dataset.fields if field.type == "datetime")
    if not names or not isinstance(dataset.path, Remote):
        return {}
    place = in_its_state(dataset.path)
    assert isinstance(place, Remote)

    def find(seconds: float) -> Zones:
        return _found_zones(place, dataset.layer, names, seconds)

    try:
        return known_or_found(dataset, fingerprint(place), find)
    except GDAL_ERRORS as error:
        raise FetchedLayer(place, dataset=dataset).unreadable(error) from error


@lru_cache(256)
def _found_zones(place: Remote, layer: str, names: tuple[str, ...], seconds: float) -> Zones:
    with opened(place) as (ranges, layout):
        fetched = fetch(ranges, layout, np.arange(layout.count))
        return zones_in_files(_each_written(layout, fetched), layer, list(names), seconds)


def _each_written(layout: Layout, every: Iterator[Fetched]) -> Iterator[Path]:
    for fetched in every:
        with _written(layout, fetched) as path:
            yield path


@contextmanager
def _written(layout: Layout, fetched: Fetched | None) -> Iterator[Path]:
    """Write features, or none, into a file that is there for a while."""
    with tempfile.TemporaryDirectory(prefix="fetched-") as folder:
        path = Path(folder, layout.remote.name[-_MOST_LETTERS:])
        begins = np.zeros(0, np.int64) if fetched is None else fetched.begins
        path.write_bytes(layout.fragment(fetched.data if fetched else b"", begins))
        yield path


def _places(ranges: Ranges, layout: Layout, wanted: Mapping[str, Any]) -> Iterator[Array]:
    """Yield the places of the features that are wanted, rising."""
    condition = wanted.get("where")
    if wanted.get("bbox") is not None:
        condition = Touching([wanted["bbox"]])
    if isinstance(condition, Touching):
        yield from (places for places, _ in find_near(ranges, layout, condition.near))
        return
    first = int(wanted.get("skip_features") or 0)
    end = min(layout.count, first + int(wanted.get("max_features") or layout.count))
    if "fids" in wanted:
        places = np.unique(np.asarray(wanted["fids"], np.int64))
    elif isinstance(condition, Rows):
        places = condition.places
    else:
        places = np.arange(first, max(first, end))
    yield places[(places >= 0) & (places < layout.count)]


def _first(places: Iterator[Array], most: int | None) -> Iterator[Array]:
    left = most
    for some in places:
        yield some if left is None else some[:left]
        left = None if left is None else left - len(some)
        if left is not None and left <= 0:
            return


def _named(batch: Any, places: Array) -> Any:
    """Return a batch whose last column has the features' places in the file on the server."""
    at = geometry_place(batch.schema)
    fields = list(batch.schema)
    fields[at] = fields[at].with_name(GEOMETRY_NAME)
    fields[-1] = pa.field(KEY_NAME, pa.int64())
    columns = [*batch.columns[:-1], pa.array(places, pa.int64())]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _check_boxes(layout: Layout, batch: Any, boxes: Array) -> None:
    """Refuse an index that has a smaller box than its feature: elsewhere it hides the feature."""
    found = shapely.bounds(read_column(batch.column(geometry_place(batch.schema))).geometries)
    slack = _ULPS * np.spacing(np.abs(boxes))
    lies = (found[:, :2] < (boxes - slack)[:, :2]) | (found[:, 2:] > (boxes + slack)[:, 2:])
    # A coordinate that is no number is told as that.
    lies &= np.isfinite(found).all(axis=1, keepdims=True)
    if lies.any():
        raise damaged(layout.remote, "has an index with a box that does not hold its feature")
