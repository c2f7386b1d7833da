"""What new data of a layer would change, in words for an operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyproj

from marinemap.catalogue.models import Layer


@dataclass(frozen=True)
class Change:
    """One thing that a layer's data hold, before and after; ``note`` is what to look at."""

    what: str
    before: str
    after: str
    note: str = ""

    @property
    def is_same(self) -> bool:
        """Whether nothing changes."""
        return self.before == self.after


def compare(before: Layer, after: Layer) -> list[Change]:
    """Return what is the same and what is not, of a layer as it is served and as it would be."""
    return [
        _count(before.feature_count, after.feature_count),
        Change("Geometry", before.geometry_type, after.geometry_type),
        Change("CRS", _crs(before), _crs(after)),
        Change("Extent, degrees", _extent(before), _extent(after)),
        *_fields(_types(before), _types(after)),
        Change("Content", before.version, after.version, _same_content(before, after)),
    ]


def _count(before: int, after: int) -> Change:
    note = f"{after - before:+,}" if after != before else ""
    if before and not after:
        note = "there are none any more"
    return Change("Features", f"{before:,}", f"{after:,}", note)


def _crs(layer: Layer) -> str:
    name = pyproj.CRS.from_user_input(layer.crs).name
    # Of two that have one name and no code what they are made of tells them apart.
    return f"{name} ({layer.crs})"


def _extent(layer: Layer) -> str:
    # A metre, where people look for an axis or a hemisphere that was mistaken.
    return ", ".join(f"{edge:.5f}" for edge in layer.bounds_4326 or ()) or "none"


def _types(layer: Layer) -> dict[str, str]:
    return {field["name"]: field["type"] for field in layer.fields}


def _fields(before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for name, kind in before.items():
        if name not in after:
            yield Change(f"Field {name}", kind, "–", "requests that name it are refused")
        elif after[name] != kind:
            yield Change(f"Field {name}", kind, after[name], "it has another type")
    for name, kind in after.items():
        if name not in before:
            yield Change(f"Field {name}", "–", kind, "it is new")
    same = sum(before.get(name) == kind for name, kind in after.items())
    yield Change("Fields that stay", f"{same:,}", f"{same:,}")


def _same_content(before: Layer, after: Layer) -> str:
    if before.version != after.version:
        return ""
    # The version is the file's.
    is_same_layer = before.source_layer == after.source_layer
    return "the same to the byte" if is_same_layer else "the same file, another layer of it"
