"""How the members of an archive are compressed."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pytest
from isal import isal_zlib

from marinemap.extraction.extracts import deflate
from marinemap.extraction.extracts.deflate import deflate_chunks

_OUTLINE = b'{"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}'


def _compressed(content: bytes) -> bytes:
    target = io.BytesIO()
    deflate_chunks(iter([content]), target)
    assert zlib.decompress(target.getvalue(), -15) == content
    return target.getvalue()


def test_what_is_small_is_compressed_as_well_as_what_is_large() -> None:
    small = _compressed(_OUTLINE * 3)
    # The same once more, where isal needs no flush to begin.
    large = _compressed(_OUTLINE * 12)
    assert len(small) <= len(large)


@pytest.mark.parametrize("odd", [0, 1])
def test_one_odd_answer_of_the_compressor_is_not_taken(
    odd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _compressed(_OUTLINE)
    made: list[Any] = []

    def compressor() -> Any:
        made.append(isal_zlib.compressobj(0 if len(made) == odd else 1, isal_zlib.DEFLATED, -15))
        return made[-1]

    assert _compressed(_OUTLINE) == usual
    monkeypatch.setattr(deflate, "_compressor", compressor)
    assert _compressed(_OUTLINE) == usual
    # Two, one more to decide, and the end of the stream.
    assert len(made) == 4
