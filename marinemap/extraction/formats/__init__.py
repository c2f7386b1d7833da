"""The formats an extract may have; each is one file in this folder."""

from __future__ import annotations

from collections.abc import Callable

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.formats import geojson, kml
from marinemap.extraction.formats.csv import CSVWriter
from marinemap.extraction.formats.flatgeobuf import FlatGeobufWriter
from marinemap.extraction.formats.geojson import GeoJSONWriter
from marinemap.extraction.formats.geopackage import GeoPackageWriter
from marinemap.extraction.formats.geoparquet import GeoParquetWriter
from marinemap.extraction.formats.kml import KMLWriter
from marinemap.extraction.formats.plan import LayerWriter, WritePlan
from marinemap.extraction.formats.shapefile import ShapefileSet

_WRITERS: dict[str, Callable[[WritePlan], LayerWriter]] = {
    "shapefile": ShapefileSet,
    "geopackage": GeoPackageWriter,
    "geojson": GeoJSONWriter,
    "flatgeobuf": FlatGeobufWriter,
    "csv": CSVWriter,
    "kml": KMLWriter,
    "geoparquet": GeoParquetWriter,
}
_ONLY_CRS = {"geojson": geojson.CRS, "kml": kml.CRS}

FORMATS = tuple(_WRITERS)
FULL_FORMAT = "geopackage"


def check_format(name: str, crs: str | None) -> None:
    """Refuse a format that there is not, or a CRS that the format cannot have.

    Raises
    ------
    RequestError
        With what there is.
    """
    # A tuple is looked through by equality, so that a list or an object is refused as well.
    if name not in FORMATS:
        shown = quote(name)
        raise RequestError(
            f"no format '{shown}'; there are {', '.join(FORMATS)}.{did_you_mean(shown, FORMATS)}",
            field="format",
            value=name,
        )
    only = _ONLY_CRS.get(name)
    if only and crs and crs not in ("EPSG:4326", "OGC:CRS84"):
        raise RequestError(
            f"{name} is always longitude, latitude in degrees ({only}), never {crs}",
            field="crs",
            value=crs,
            hint="Leave the CRS out, or ask for another format.",
        )


def only_crs(name: str) -> str | None:
    """Return the one CRS that a format can have, None where it can have any."""
    return _ONLY_CRS.get(name)


def open_writer(name: str, plan: WritePlan) -> LayerWriter:
    """Return a writer of the named format, ready for the first features."""
    return _WRITERS[name](plan)
