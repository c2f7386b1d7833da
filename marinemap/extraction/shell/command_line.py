"""The engine from the shell, with a progress bar or as a dry run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from tqdm import tqdm

from marinemap.extraction.extracts.pipeline import extract
from marinemap.extraction.layers.estimate import LayerEstimate, estimate
from marinemap.extraction.request import ExtractionRequest, ExtractionResult, SourceLayer
from marinemap.extraction.shell.options import declare, to_request, with_bounds_joined
from marinemap.extraction.words import counted

# Writes one line.
Tell = Callable[[str], object]


def read_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return the arguments by name.

    None where one is unknown or missing, or help is wanted: what answers that is told by the
    catalogue's own command.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    declare(parser)
    try:
        return vars(parser.parse_args(with_bounds_joined(arguments)))
    except _CannotParseError:
        return None


def run(options: Mapping[str, Any], source: SourceLayer, tell: Tell) -> None:
    """Run the engine on a layer, or tell what it would give.

    Raises
    ------
    MarineMapError
        As :func:`marinemap.extraction.extract` does, or if an argument cannot be used.
    """
    request = to_request(options, source)
    if options["dry_run"]:
        _tell_estimates(estimate(request), tell)
    else:
        _tell_result(_extract(request), tell)


class _CannotParseError(Exception):
    """The arguments are not all known."""


class _Parser(argparse.ArgumentParser):
    """Raises where its base would end the process."""

    def error(self, message: str) -> NoReturn:
        raise _CannotParseError(message)


def _extract(request: ExtractionRequest) -> ExtractionResult:
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}") as bar:

        def progress(fraction: float, message: str) -> None:
            bar.set_description(message, refresh=False)
            bar.update(fraction * 100 - bar.n)

        return extract(request, progress=progress)


def _tell_estimates(layers: Sequence[LayerEstimate], tell: Tell) -> None:
    for layer in layers:
        tell(
            f"{layer.name}: {_count_words(layer)}, about {layer.size_bytes:,} bytes before zipping"
        )
        for warning in layer.warnings:
            tell(f"  {warning}")


def _count_words(layer: LayerEstimate) -> str:
    if layer.is_exact:
        return counted(layer.features)
    between = f"{layer.features_at_least:,} to {layer.features_at_most:,}"
    return f"about {counted(layer.features)} ({between})"


def _tell_result(result: ExtractionResult, tell: Tell) -> None:
    for layer in result.layers:
        tell(f"{layer.name}: {counted(layer.features_written)}, {layer.crs}")
        for note in (*result.notes, *layer.notes):
            tell(f"  {note}")
    tell(f"{result.archive}: {result.size_bytes:,} bytes")
