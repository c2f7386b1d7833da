"""Read back what was written, with another GDAL than the one that wrote it."""

from __future__ import annotations

import warnings

import fiona
from fiona.errors import FionaError

from marinemap.errors import DatasetError, ServiceError
from marinemap.extraction.dataset import list_layers
from marinemap.extraction.formats.shapefile import WrittenShapefile


def verify(written: WrittenShapefile) -> None:
    """Compare a shapefile on disk with what was put in.

    fiona's wheel carries a GDAL of its own, so that one library's mistake is not hidden by the
    same mistake on reading.

    Raises
    ------
    ServiceError
        If a length, a count, a field name or a geometry differs; the difference is named.
    """
    try:
        list_layers(written.path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fiona.open(written.path) as source:
                names = list(source.schema["properties"])
                count = sum(1 for feature in source if feature.geometry is not None)
    except (DatasetError, FionaError) as error:
        raise ServiceError(f"{written.path.name} cannot be read back: {error}") from error
    expected = list(written.fields.values())
    # A table without columns is not allowed in DBF, so GDAL adds FID.
    if expected and names != expected:
        raise ServiceError(
            f"{written.path.name} has the fields {names} after writing; {expected} were written"
        )
    if count != written.features:
        raise ServiceError(
            f"{written.path.name} holds {count} features after writing; "
            f"{written.features} were written"
        )
