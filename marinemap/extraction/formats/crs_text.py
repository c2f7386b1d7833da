"""How a CRS stands in a file, where GDAL or Esri's form of it would make another of it."""

from __future__ import annotations

from pathlib import Path

import pyogrio
import pyproj
from pyproj.exceptions import CRSError

from marinemap.errors import RequestError, quote
from marinemap.sentences import say


def gdal_wkt(crs: pyproj.CRS) -> str:
    """Return a CRS for GDAL's drivers: WKT 1 where it has no code.

    Given WKT 2 without one, the driver for GeoPackage takes what resembles a zone of UTM for the
    zone, whatever its unit is (GDAL 3.12.4): a file in kilometres says metres.
    """
    if crs.to_authority(min_confidence=100) is None:
        try:
            return crs.to_wkt("WKT1_GDAL")
        except CRSError:
            pass  # It is of a kind that WKT 1 has not, such as a rotated pole.
    return crs.to_wkt()


def esri_wkt(crs: pyproj.CRS) -> str:
    """Return a CRS as ``.prj`` files have it.

    Raises
    ------
    RequestError
        If there is no such form of it.
    """
    try:
        return crs.to_wkt("WKT1_ESRI")
    except CRSError as error:
        raise _cannot_stand(crs, say("a .prj file has no words for it")) from error


def check_stated(path: Path, layer: str, crs: pyproj.CRS) -> None:
    """Refuse a file that GDAL wrote without its CRS, or with another unit than positions have.

    Raises
    ------
    RequestError
        With the unit.
    """
    has_code = crs.to_authority(min_confidence=100) is not None
    if has_code and _has_esri_form(crs):
        return
    stated = pyogrio.read_info(path, layer=layer)["crs"]
    if not stated:
        # As of a rotated pole in a file geodatabase, which keeps Esri's form of a CRS.
        raise _cannot_stand(crs, say("{file} would state none", file=path.name))
    if not has_code and _unit(pyproj.CRS.from_user_input(stated)) != _unit(crs):
        raise _cannot_stand(
            crs,
            say(
                "{file} would say {stated}, in another unit",
                file=path.name,
                stated=quote(stated[:80]),
            ),
        )


def _has_esri_form(crs: pyproj.CRS) -> bool:
    try:
        crs.to_wkt("WKT1_ESRI")
    except CRSError:
        return False
    return True


def _unit(crs: pyproj.CRS) -> float:
    return float(f"{crs.axis_info[0].unit_conversion_factor:.9g}")


def _cannot_stand(crs: pyproj.CRS, why: str) -> RequestError:
    return RequestError(
        say(
            "the layer's CRS '{name}' cannot stand in this format: {why}",
            name=quote(crs.name),
            why=why,
        ),
        field="crs",
        value=None,
        hint=say("Name an output CRS, such as EPSG:4326, or another format, such as GeoPackage."),
    )
