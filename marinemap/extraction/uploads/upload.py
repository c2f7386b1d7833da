"""An area of interest from a file that a person uploaded."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, RequestError, quote
from marinemap.extraction.areas.area import REPAIRED, Area, parse_area
from marinemap.extraction.areas.geojson import MAX_VERTICES
from marinemap.extraction.areas.outline import join_outlines, repair_outline
from marinemap.extraction.geometry.wkb import leaves
from marinemap.extraction.left_out import LeftOut
from marinemap.extraction.projection.crs import CRS84, is_on_earth, is_same_crs, parse_crs
from marinemap.extraction.projection.degrees import to_degrees
from marinemap.extraction.sandbox.runner import SECONDS, run_confined
from marinemap.extraction.sources.shapefile_check import check_headers
from marinemap.extraction.sources.shapefile_records import check_records
from marinemap.extraction.uploads.checks import kind_of, read_geojson, read_wkt
from marinemap.extraction.uploads.zips import unzip_kml, unzip_shapefile
from marinemap.sentences import say

_CHILD = Path(__file__).with_name("upload_child.py")
# GDAL 3.12's names; GeoJSON never reaches GDAL.
_DRIVERS = {"ESRI Shapefile", "GPKG", "KML", "GPX"}
_LEAST_CORNERS = 3
_SUFFIXES = {"zip": ".shp", "gpkg": ".gpkg", "kml": ".kml", "kmz": ".kml", "gpx": ".gpx"}


def read_area_file(path: Path, *, field: str = "area", work_folder: Path | None = None) -> Area:
    """Return the area that an uploaded file holds.

    The file is read in a child process with limits on time, memory and size, which has no network
    and sees this one file only; see ``sandbox.py``.

    Parameters
    ----------
    path : Path
        A zipped shapefile, GeoPackage, KML, KMZ, GPX (closed tracks or routes), GeoJSON or WKT, at
        most 20 MiB; its name says nothing.
    field : str
        The name of the input, for messages.
    work_folder : Path, optional
        Where copies of it are made; the caller removes what a killed process leaves there.

    Raises
    ------
    RequestError
        If it is none of these, is damaged or beyond the limits, or holds no area.
    """
    kind = kind_of(path, field)
    if kind == "geojson":
        return parse_area(read_geojson(path, field), field=field)
    if kind == "wkt":
        geometry, crs = read_wkt(path, field)
        return _area([geometry], crs, field)
    with tempfile.TemporaryDirectory(prefix="area-", dir=work_folder) as folder:
        copy = Path(folder) / f"area{_SUFFIXES[kind]}"
        if kind == "zip":
            unzip_shapefile(path, Path(folder), field)
            _check_shapefile(copy, field)
        elif kind == "kmz":
            unzip_kml(path, copy, field)
        else:
            shutil.copyfile(path, copy)
        answer = _ask_child(copy, field)
    return _area(_geometries(answer["wkb"], field), answer["crs"], field)


def _check_shapefile(path: Path, field: str) -> None:
    """Refuse what GDAL would read in part: a smaller area is not what was uploaded."""
    try:
        check_headers(path)
        lost = LeftOut.of(check_records(path).unreadable)
    except DatasetError as error:
        raise RequestError(error.message, field=field, value=error.value) from error
    if lost.count:
        raise RequestError(
            say(
                "records of the .shp in the zip cannot be read: {named}",
                named=lost.ids_and_reasons,
            ),
            field=field,
        )
    prj = path.with_suffix(".prj").read_text(encoding="utf-8", errors="replace")
    try:
        pyproj.CRS.from_wkt(prj)
    except CRSError as error:
        raise RequestError(
            say("the .prj in the zip holds no CRS that is known: '{prj}'", prj=quote(prj)),
            field=field,
        ) from error


def _geometries(wkb: list[str], field: str) -> Any:
    try:
        with np.errstate(invalid="ignore"):
            return shapely.from_wkb([bytes.fromhex(each) for each in wkb])
    except shapely.errors.ShapelyError as error:
        raise RequestError(
            say("a geometry in the file is broken: {error}", error=error), field=field
        ) from error


def _area(geometries: Any, crs_text: str | None, field: str) -> Area:
    parts = [part for geometry in geometries for part in shapely.get_parts(leaves(geometry))]
    found = [_polygon(part) for part in parts]
    polygons = [each for each in found if each is not None]
    if not polygons:
        raise RequestError(
            say("the file holds no area: no polygon, and no closed track or route"), field=field
        )
    crs = _crs(crs_text, field)
    _check_corners(polygons, field)
    joined = join_outlines(polygons, field)
    notes = (*_left_out(parts, found), *(() if shapely.is_valid(joined) else (REPAIRED,)))
    joined = joined if shapely.is_valid(joined) else repair_outline(joined, field)
    degrees = parse_crs(CRS84)
    moved = joined if is_same_crs(crs, degrees) else to_degrees(joined, crs, degrees, field)
    mapping = shapely.geometry.mapping(moved)
    area = parse_area(json.loads(json.dumps(mapping)), field=field)
    return dataclasses.replace(area, notes=(*notes, *area.notes))


def _check_corners(polygons: list[Any], field: str) -> None:
    positions = shapely.get_coordinates(polygons)
    if len(positions) > MAX_VERTICES:
        raise RequestError(
            say(
                "the area has {count:,} corners; at most {most:,} are allowed",
                count=len(positions),
                most=MAX_VERTICES,
            ),
            field=field,
            hint=say("Simplify the area, or cut it into several requests."),
        )
    if not np.isfinite(positions).all():
        raise RequestError(say("a coordinate in the file is not a finite number"), field=field)


def _polygon(part: Any) -> Any:
    """Return what a part encloses, a closed line as well; None where it is nothing."""
    if part.geom_type == "LineString" and part.is_closed and len(part.coords) > _LEAST_CORNERS:
        return shapely.Polygon(part.coords)
    return part if part.geom_type == "Polygon" and not part.is_empty else None


def _left_out(parts: list[Any], found: list[Any]) -> tuple[str, ...]:
    pairs = zip(parts, found, strict=True)
    count = sum(area is None and part.geom_type == "LineString" for part, area in pairs)
    if not count:
        return ()
    return (
        say(
            "{count:,} lines in the file enclose nothing, and are left out of the area",
            count=count,
        ),
    )


def _crs(text: str | None, field: str) -> pyproj.CRS:
    if not text:
        raise RequestError(
            say("the file does not say its CRS; a shapefile needs its .prj"), field=field
        )
    try:
        crs = pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise RequestError(
            say("the file's CRS is not known: {error}", error=quote(error)), field=field
        ) from error
    if not is_on_earth(crs):
        raise RequestError(
            say(
                "the file's CRS ('{name}') cannot be brought to degrees on Earth",
                name=quote(crs.name),
            ),
            field=field,
        )
    return crs


def _ask_child(path: Path, field: str) -> dict[str, Any]:
    skipped = ",".join(sorted(set(pyogrio.list_drivers()) - _DRIVERS))
    done = run_confined(
        # Without -P its folder would come first among those where modules are looked for.
        ["-P", str(_CHILD), f"{{folder}}/{path.name}"],
        path.parent,
        {"GDAL_SKIP": skipped, "PROJ_NETWORK": "OFF", "CPL_LOG": os.devnull},
    )
    if done.is_late:
        raise RequestError(
            say("reading the file took over {seconds} seconds", seconds=SECONDS), field=field
        )
    if done.is_cut:
        raise RequestError(
            say("the outlines in the file have more than 500,000 corners"), field=field
        )
    return _answer(done.said, field)


def _answer(said: bytes, field: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise RequestError(
            say(
                "the file could not be read within 5 seconds of processor time and 224 "
                "MiB of memory; it may be damaged"
            ),
            field=field,
        ) from error
    if "error" in answer:
        raise RequestError(
            say("the file cannot be read: {why}", why=quote(answer["error"])), field=field
        )
    return answer
