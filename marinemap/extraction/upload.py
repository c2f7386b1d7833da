"""An area of interest from a file that a person uploaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyogrio
import pyproj
import shapely
from pyproj.exceptions import CRSError

from marinemap.errors import RequestError, ServiceError
from marinemap.extraction.area import Area, parse_area
from marinemap.extraction.crs import CRS84, parse_crs, reproject_area
from marinemap.extraction.upload_checks import kind_of, read_geojson, unzip_shapefile

_CHILD = "marinemap.extraction.upload_child"
_PACKAGES = Path(__file__).resolve().parents[2]
# GDAL 3.12's names; GeoJSON never reaches GDAL.
_DRIVERS = {"ESRI Shapefile", "GPKG", "KML", "GPX"}
_SUFFIXES = {"zip": ".shp", "gpkg": ".gpkg", "kml": ".kml", "gpx": ".gpx"}
_SECONDS = 15
_MAX_ANSWER_BYTES = 64 * 2**20
_MOUNTED = "/area"


def read_area_file(path: Path, *, field: str = "area") -> Area:
    """Return the area that an uploaded file holds.

    The file is read in a child process with limits on time, memory and size; where bubblewrap
    (``bwrap``) is installed the child has no network and sees this one file only.

    Parameters
    ----------
    path : Path
        A zipped shapefile, GeoPackage, KML, GPX (closed tracks or routes) or GeoJSON, at most
        20 MiB; its name says nothing.
    field : str
        The name of the input, for messages.

    Raises
    ------
    RequestError
        If it is none of these, is damaged or beyond the limits, or holds no area.
    """
    kind = kind_of(path, field)
    if kind == "geojson":
        return parse_area(read_geojson(path, field), field=field)
    with tempfile.TemporaryDirectory(prefix="area-") as folder:
        copy = Path(folder) / f"area{_SUFFIXES[kind]}"
        if kind == "zip":
            unzip_shapefile(path, Path(folder), field)
        else:
            shutil.copyfile(path, copy)
        answer = _ask_child(copy, field)
    return _area(answer, field)


def _area(answer: dict[str, Any], field: str) -> Area:
    crs = _crs(answer["crs"], field)
    geometries = shapely.from_wkb([bytes.fromhex(wkb) for wkb in answer["wkb"]])
    polygons = [polygon for geometry in geometries for polygon in _polygons(geometry)]
    if not polygons:
        raise RequestError(
            "the file holds no area: no polygon, and no closed track or route", field=field
        )
    joined = polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)
    if not shapely.is_valid(joined):
        joined = shapely.make_valid(joined, method="structure")
    moved = reproject_area(joined, crs, parse_crs(CRS84))
    mapping = shapely.geometry.mapping(moved)
    return parse_area(json.loads(json.dumps(mapping)), field=field)


def _polygons(geometry: Any) -> list[Any]:
    parts = shapely.get_parts(shapely.get_parts(geometry))
    closed = [part for part in parts if part.geom_type == "LineString" and part.is_ring]
    return [part for part in parts if part.geom_type == "Polygon"] + [
        shapely.Polygon(ring.coords) for ring in closed
    ]


def _crs(text: str | None, field: str) -> pyproj.CRS:
    if not text:
        raise RequestError("the file does not say its CRS; a shapefile needs its .prj", field=field)
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise RequestError(f"the file's CRS is not known: {error}", field=field) from error


def _ask_child(path: Path, field: str) -> dict[str, Any]:
    skipped = ",".join(sorted(set(pyogrio.list_drivers()) - _DRIVERS))
    environment = {"GDAL_SKIP": skipped, "PYTHONPATH": str(_PACKAGES), "PROJ_NETWORK": "OFF"}
    try:
        done = subprocess.run(
            _command(path),
            env={**environment, "PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RequestError(f"reading the file took over {_SECONDS} seconds", field=field) from error
    except OSError as error:
        raise ServiceError(f"the reader of uploaded files does not start: {error}") from error
    return _answer(done, field)


def _answer(done: subprocess.CompletedProcess[bytes], field: str) -> dict[str, Any]:
    if len(done.stdout) > _MAX_ANSWER_BYTES:
        raise RequestError("the file holds too many corners", field=field)
    if done.stderr.startswith(b"bwrap:"):
        raise ServiceError(
            "bubblewrap does not start, so that uploaded files cannot be read: "
            f"{done.stderr.decode(errors='replace').strip()}",
            hint="Allow unprivileged user namespaces, or remove bubblewrap.",
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RequestError(
            "the file could not be read within the limits of time and memory; it may be damaged",
            field=field,
        ) from error
    if "error" in answer:
        raise RequestError(f"the file cannot be read: {answer['error']}", field=field)
    return answer


def _command(path: Path) -> list[str]:
    executable = Path(sys.executable)
    # Its folder may be reached by a link, which leads nowhere within bubblewrap.
    python = [str(executable.parent.resolve() / executable.name), "-m", _CHILD]
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return [*python, str(path)]
    own = (Path(sys.prefix), Path(sys.base_prefix), _PACKAGES / "marinemap")
    seen = {"/usr", "/lib", "/lib64", "/bin", *(str(place.resolve()) for place in own)}
    binds = [option for place in sorted(seen) for option in ("--ro-bind-try", place, place)]
    private = ["--unshare-all", "--die-with-parent", "--new-session", "--proc", "/proc"]
    mounts = ["--dev", "/dev", "--tmpfs", "/tmp", *binds, "--ro-bind", str(path.parent), _MOUNTED]
    return [bwrap, *private, *mounts, *python, f"{_MOUNTED}/{path.name}"]
