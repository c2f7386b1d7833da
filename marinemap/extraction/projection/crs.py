"""Coordinate reference systems: which are offered, and how coordinates move between them."""

from __future__ import annotations

import re
from functools import lru_cache

import pyproj
from pyproj.exceptions import CRSError, ProjError

from marinemap.errors import RequestError
from marinemap.sentences import say

CRS84 = "OGC:CRS84"

# OGC CRS URI (OGC 09-048r6), its URN form (RFC 5165), and the short form.
_EPSG_FORMS = re.compile(
    r"(?:EPSG:|urn:ogc:def:crs:EPSG:[\d.]*:|https?://www\.opengis\.net/def/crs/EPSG/[\d.]+/)(\d{1,6})",
    re.IGNORECASE,
)
_CRS84_FORMS = re.compile(
    r"(?:OGC:CRS84|CRS84|urn:ogc:def:crs:OGC:(?:1\.3)?:CRS84|"
    r"https?://www\.opengis\.net/def/crs/OGC/(?:1\.3|0)/CRS84)",
    re.IGNORECASE,
)
_USABLE_TYPES = ("Geographic 2D CRS", "Projected CRS", "Compound CRS", "Geographic 3D CRS")


def parse_crs(text: str, *, field: str = "crs") -> pyproj.CRS:
    """Return the CRS that a user named.

    Only EPSG codes and OGC:CRS84 are taken: never WKT, PROJ strings, URLs to fetch or file
    names, so that nothing a user writes is opened or fetched.

    Parameters
    ----------
    text : str
        ``EPSG:3857``, ``urn:ogc:def:crs:EPSG::3857`` or
        ``http://www.opengis.net/def/crs/EPSG/0/3857``; likewise for CRS84.
    field : str
        The name of the input, for the message.

    Raises
    ------
    RequestError
        If it has another form, does not exist, or holds no horizontal positions.
    """
    if not isinstance(text, str) or len(text) > 100:
        raise _not_a_crs(text, field)
    if _CRS84_FORMS.fullmatch(text.strip()):
        return _authority_crs("OGC", "CRS84")
    match = _EPSG_FORMS.fullmatch(text.strip())
    if not match:
        raise _not_a_crs(text, field)
    try:
        crs = _authority_crs("EPSG", match[1])
    except CRSError as error:
        raise RequestError(
            say("there is no CRS EPSG:{code}", code=match[1]),
            field=field,
            value=text,
            hint=say("Look the code up in the EPSG registry, for example EPSG:4326 or EPSG:3857."),
        ) from error
    if crs.type_name not in _USABLE_TYPES:
        raise RequestError(
            say(
                "EPSG:{code} is a {type_name}, which holds no map coordinates; a "
                "geographic or projected CRS is needed",
                code=match[1],
                type_name=crs.type_name,
            ),
            field=field,
            value=text,
        )
    if not is_computable(match[1]):
        raise RequestError(
            say(
                "EPSG:{code} ({name}) has a projection that cannot be computed here",
                code=match[1],
                name=crs.name,
            ),
            field=field,
            value=text,
            hint=say("Choose a CRS for the area, or EPSG:4326, which fits everywhere."),
        )
    return crs


@lru_cache(maxsize=10_000)
def is_computable(code: str) -> bool:
    """Tell whether PROJ can move positions into a CRS of the EPSG registry.

    Of 23 it knows the name and not the method, such as of EPSG:32600, which is all zones of UTM.
    """
    crs = _authority_crs("EPSG", code)
    flat = crs.sub_crs_list[0] if crs.is_compound else crs
    if not flat.is_projected or flat.geodetic_crs is None:
        return True
    try:
        pyproj.Transformer.from_crs(flat.geodetic_crs, flat, always_xy=True)
    except ProjError:
        return False
    return True


def crs_label(crs: pyproj.CRS) -> str:
    """Return ``EPSG:<code>`` where the CRS has one, else its name."""
    authority = crs.to_authority(min_confidence=70)
    return ":".join(authority) if authority else crs.name


def is_same_crs(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Tell whether coordinates in x, y order mean the same place in both."""
    return one.equals(other, ignore_axis_order=True)


def is_on_earth(crs: pyproj.CRS) -> bool:
    """Tell whether positions in a CRS can be brought to degrees on Earth at all."""
    try:
        # To CRS84, the same by another name, PROJ looks ten times as long from some ITRFs.
        pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except ProjError:
        return False
    return True


def fits(crs: pyproj.CRS, bounds_4326: tuple[float, float, float, float]) -> bool:
    """Tell whether a CRS is made for some place in bounds.

    Parameters
    ----------
    crs : pyproj.CRS
    bounds_4326 : tuple of float
        (minx, miny, maxx, maxy) in degrees of longitude and latitude.
    """
    use = crs.area_of_use
    if use is None:
        return True
    minx, miny, maxx, maxy = bounds_4326
    crosses_180 = use.west > use.east
    beside = (
        maxx < use.west and minx > use.east if crosses_180 else maxx < use.west or minx > use.east
    )
    return not (beside or maxy < use.south or miny > use.north)


def check_fits(crs: pyproj.CRS, bounds_4326: tuple[float, float, float, float], field: str) -> None:
    """Refuse a CRS that is not defined anywhere within bounds; as ``fits``.

    Raises
    ------
    RequestError
        If the bounds lie wholly outside the CRS's area of use.
    """
    if not fits(crs, bounds_4326):
        raise made_for_elsewhere(crs, field)


def made_for_elsewhere(crs: pyproj.CRS, field: str) -> RequestError:
    """Return the error of a CRS whose area of use lies elsewhere."""
    use = crs.area_of_use
    where: str = say("elsewhere")
    if use is not None:
        where = say(
            "longitude {west} to {east}, latitude {south} to {north}",
            west=use.west,
            east=use.east,
            south=use.south,
            north=use.north,
        )
    return RequestError(
        say(
            "{crs} ({name}) is made for {where}; the area lies outside of it",
            crs=crs_label(crs),
            name=crs.name,
            where=where,
        ),
        field=field,
        value=crs_label(crs),
        hint=say("Choose a CRS for the area, or EPSG:4326, which fits everywhere."),
    )


def _not_a_crs(value: object, field: str) -> RequestError:
    return RequestError(
        say("not a CRS; write an EPSG code such as 'EPSG:3857', or 'OGC:CRS84'"),
        field=field,
        value=value,
    )


@lru_cache(maxsize=256)
def _authority_crs(authority: str, code: str) -> pyproj.CRS:
    return pyproj.CRS.from_authority(authority, code)
