"""Open a GeoParquet, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geoparquet.failures import reading
from marinemap.extraction.geoparquet.file import Announce, GeoParquet
from marinemap.extraction.geoparquet.metadata import read_geo
from marinemap.extraction.remote.address import Remote
from marinemap.sentences import say

# Of each column so much is read at a time: a row group may be as large as the file.
_BUFFER_BYTES = 1 << 20
_REMOTE_BUFFER_BYTES = 4 << 20
# Of a row that is the number of a value: 32 bits, one for whether there is one, the heads of pages.
_MOST_BYTES_NUMBERED = 4.25
# A byte is kept for each row while they are chosen.
_ALLOWED_ROWS = 2_000_000_000


@contextmanager
def opened(place: Path | Remote) -> Iterator[GeoParquet]:
    """Open a file.

    Raises
    ------
    DatasetError
        If it is no GeoParquet, damaged, or cannot be served.
    """
    with reading(place.name), _bytes_of(place) as (data, metadata, announce):
        if metadata.num_rows > _ALLOWED_ROWS:
            raise DatasetError(
                say(
                    "{name} states {count:,} features; {most:,} are read",
                    name=place.name,
                    count=metadata.num_rows,
                    most=_ALLOWED_ROWS,
                ),
                field="source",
            )
        geometry = read_geo(metadata.metadata, place.name)
        parquet = pq.ParquetFile(
            data,
            metadata=metadata,
            read_dictionary=_repeated(metadata),
            buffer_size=_BUFFER_BYTES if isinstance(place, Path) else _REMOTE_BUFFER_BYTES,
            # Otherwise all that is read of a row group is in memory before its first row.
            pre_buffer=not isinstance(place, Path),
            page_checksum_verification=True,
        )
        if geometry.name not in parquet.schema_arrow.names:
            raise DatasetError(
                say(
                    "{name} has no column '{column}', which it states to be its geometry",
                    name=place.name,
                    column=quote(geometry.name),
                ),
                field="source",
            )
        yield GeoParquet(parquet, geometry, f"layer '{place.stem}' of {place.name}", announce)


@contextmanager
def _bytes_of(place: Path | Remote) -> Iterator[tuple[Any, Any, Announce | None]]:
    """Yield the bytes of a file, what it says of itself, and whom to announce pieces to."""
    if isinstance(place, Path):
        with pa.OSFile(str(place)) as data:
            yield data, pq.ParquetFile(data).metadata, None
        return
    # Imported here: files that lie here need none of it.
    from marinemap.extraction.remote.file import RemoteFile
    from marinemap.extraction.remote.footer import footer_of
    from marinemap.extraction.remote.ranges import reading as reading_ranges

    with reading_ranges(place) as ranges:
        metadata = footer_of(ranges)
        file = RemoteFile(ranges)
        yield pa.PythonFile(file, mode="r"), metadata, file.announce


def bytes_each(place: Path | Remote) -> float:
    """Return how many bytes a feature takes, before compression."""
    with opened(place) as file:
        metadata = file.parquet.metadata
        sizes = (metadata.row_group(group).total_byte_size for group in range(file.groups))
        return float(sum(sizes)) / max(1, file.rows)


def _repeated(metadata: Any) -> list[str]:
    """Return the columns of bytes that are kept as a list of values and numbers of them.

    They are read so: a text of a megabyte for all features is a few bytes for each in the file.
    """
    if not metadata.num_row_groups:
        return []
    schema, first = metadata.schema, metadata.row_group(0)
    places = [n for n in range(len(schema.names)) if schema.column(n).max_repetition_level == 0]
    of_bytes = [n for n in places if schema.column(n).physical_type == "BYTE_ARRAY"]
    flat = [n for n in of_bytes if "." not in schema.column(n).path]
    return [schema.column(n).path for n in flat if _is_repeated(first.column(n))]


def _is_repeated(chunk: Any) -> bool:
    """Tell whether the rows of a column may be numbers of values, and not the values themselves.

    Writers begin with a list of values and leave it when it is large: read as such, all values of
    a row group would be kept for it to grow, geometries above all.
    """
    if not chunk.has_dictionary_page:
        return False
    listed = chunk.data_page_offset - chunk.dictionary_page_offset
    return bool(chunk.total_compressed_size - listed <= _MOST_BYTES_NUMBERED * chunk.num_values)
