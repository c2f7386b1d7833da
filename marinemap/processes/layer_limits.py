"""What a layer gives one request at most, by its row in the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import shapely

from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError
from marinemap.extraction import Area, LayerEstimate
from marinemap.sentences import say


def check_area(layers: Sequence[Layer], area: Area) -> None:
    """Refuse an area that is larger, or has more corners, than one of the layers takes.

    Raises
    ------
    RequestError
        With the limit, what was asked for, and what would fit.
    """
    corners = int(shapely.get_num_coordinates(area.geometry))
    for layer in layers:
        if layer.most_corners is not None and corners > layer.most_corners:
            raise _refused(
                layer,
                say(
                    "an area of {most:,} corners at most; this has {corners:,}",
                    most=layer.most_corners,
                    corners=corners,
                ),
            )
        if layer.most_area_km2 is None:
            continue
        size = area.area_m2 / 1e6
        if size > layer.most_area_km2:
            raise _refused(
                layer,
                say(
                    "an area of {most:,} km² at most; this has {size:,.0f} km²: {part:.0%} of it "
                    "would fit",
                    most=layer.most_area_km2,
                    size=size,
                    part=layer.most_area_km2 / size,
                ),
            )


def limits_yield(layers: Sequence[Layer]) -> bool:
    """Tell whether one of some layers gives so many features or bytes and no more."""
    return any(layer.most_features or layer.most_megabytes for layer in layers)


def check_yield(layers: Sequence[Layer], estimates: Sequence[LayerEstimate]) -> None:
    """Refuse what would have more features or bytes than a layer gives; by the estimate.

    Raises
    ------
    RequestError
        With the limit, what was asked for, and what would fit.
    """
    for layer, found in zip(layers, estimates, strict=True):
        for words in _over(layer, found):
            raise _refused(layer, words)


def yield_notes(layers: Sequence[Layer], estimates: Sequence[LayerEstimate]) -> list[str]:
    """Return sentences on what an extract would be refused for."""
    return [
        say(
            "Layer '{layer}' gives {words}. An extract would be refused.",
            layer=layer.pk,
            words=words,
        )
        for layer, found in zip(layers, estimates, strict=True)
        for words in _over(layer, found)
    ]


def _over(layer: Layer, found: LayerEstimate) -> Iterator[str]:
    about = "" if found.is_exact else say("about ")
    if layer.most_features and found.features > layer.most_features:
        yield say(
            "{most:,} features at most; this would have {about}{count:,}: {part:.0%} of it would "
            "fit",
            most=layer.most_features,
            about=about,
            count=found.features,
            part=layer.most_features / found.features,
        )
    most_bytes = (layer.most_megabytes or 0) * 1_000_000
    if most_bytes and found.size_bytes > most_bytes:
        yield say(
            "{most:,} MB before zipping at most; this would have about {size:,.1f} MB: {part:.0%} "
            "of it would fit",
            most=layer.most_megabytes,
            size=found.size_bytes / 1e6,
            part=most_bytes / found.size_bytes,
        )


def _refused(layer: Layer, words: str) -> RequestError:
    return RequestError(
        say("layer '{layer}' gives {words}", layer=layer.pk, words=words),
        field="area",
        hint=say("Draw a smaller or plainer area, or ask for fewer features by a filter."),
    )
