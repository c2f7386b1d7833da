"""What heights are measured from: they are never converted, and so nothing else may be said."""

from __future__ import annotations

import pyproj

from marinemap.errors import RequestError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.projection.crs import crs_label, is_same_crs
from marinemap.sentences import say


def has_heights(dataset: Dataset) -> bool:
    """Tell whether a layer declares heights, or its first features have some."""
    return dataset.geometry_type.startswith("3D ")


def check_heights(data: pyproj.CRS, output: pyproj.CRS | None) -> None:
    """Refuse a CRS that would say of a layer's heights what is not so.

    Parameters
    ----------
    data : pyproj.CRS
        Of a layer that has heights.
    output : pyproj.CRS, optional
        The data's by default.

    Raises
    ------
    RequestError
        If it states what heights are measured from, and the data's are not, or nobody knows.
    """
    if output is None or not _states_heights(output) or _have_same_heights(data, output):
        return
    stated = say("of which nothing is stated")
    if _states_heights(data):
        stated = say("in '{heights}'", heights=_named(data))
    flat = _label_of_flat(output)
    raise RequestError(
        say(
            "{crs} has heights in '{named}', and the layer has heights {stated}; "
            "heights are not converted",
            crs=crs_label(output),
            named=_named(output),
            stated=stated,
        ),
        field="crs",
        value=crs_label(output),
        hint=say(
            "Take {flat}, which says nothing of heights: they are kept as they are.", flat=flat
        ),
    )


def height_notes(data: pyproj.CRS, output: pyproj.CRS) -> tuple[str, ...]:
    """Tell what the heights of a result are, where its CRS no longer says it."""
    if not _states_heights(data) or _states_heights(output):
        return ()
    return (
        say(
            "Heights are kept as they are, in '{heights}'; {crs} says nothing of heights.",
            heights=_named(data),
            crs=crs_label(output),
        ),
    )


def _states_heights(crs: pyproj.CRS) -> bool:
    return crs.is_compound or len(crs.axis_info) == 3


def _have_same_heights(data: pyproj.CRS, output: pyproj.CRS) -> bool:
    if not _states_heights(data) or data.is_compound != output.is_compound:
        return False
    if data.is_compound:
        return is_same_crs(data.sub_crs_list[-1], output.sub_crs_list[-1])
    return data.datum == output.datum


def _named(crs: pyproj.CRS) -> str:
    if crs.is_compound:
        return str(crs.sub_crs_list[-1].name)
    return f"height above the ellipsoid of {crs.datum.name if crs.datum else crs.name}"


def _label_of_flat(crs: pyproj.CRS) -> str:
    flat = crs.sub_crs_list[0] if crs.is_compound else crs.to_2d()
    authority = flat.to_authority(min_confidence=100)
    return ":".join(authority) if authority else f"'{flat.name}'"
