"""Further layers that the engine is measured on: lines, points, a coastline, five million sites."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from benchmarks.sites import BATCH, batch, places, polygons, simple_area, sites, write_layer

_TRACK_VERTICES = 50
_COAST_VERTICES = 200_000
# More than the radius of a site, so that none reaches from here into the area's box.
_MARGIN = 0.05


def make_tracks(path: Path, features: int) -> Path:
    """Make a layer of lines of 50 vertices, once."""
    return write_layer(path, _made(features, _tracks), "LineString")


def make_soundings(path: Path, features: int) -> Path:
    """Make a layer of points, once."""
    return write_layer(path, _made(features, _soundings), "Point")


def make_coast(path: Path) -> Path:
    """Make a layer of one polygon of 200,000 vertices, once."""
    random = np.random.default_rng(11)
    made = batch(random, np.arange(1), np.array([_coast(random)]))
    return write_layer(path, iter([made]), "Polygon")


def make_grown_layer(path: Path, features: int, grown: int) -> Path:
    """Make a layer of sites with more of them, none of these in the simple area's box, once.

    Parameters
    ----------
    path : Path
    features : int
        The first so many are those of ``make_layer``.
    grown : int
        How many there are in all.
    """
    return write_layer(path, itertools.chain(sites(features), _beside(features, grown)), "Polygon")


def _beside(first: int, end: int) -> Iterator[Any]:
    random = np.random.default_rng(8)
    west, south, east, north = simple_area().bounds
    while first < end:
        x, y = places(random, BATCH)
        within = (x > west - _MARGIN) & (x < east + _MARGIN)
        within &= (y > south - _MARGIN) & (y < north + _MARGIN)
        free = np.flatnonzero(~within)[: end - first]
        yield batch(random, np.arange(first, first + len(free)), polygons(random, x[free], y[free]))
        first += len(free)


def _made(features: int, make: Any) -> Iterator[Any]:
    random = np.random.default_rng(5)
    for first in range(0, features, BATCH):
        ids = np.arange(first, min(first + BATCH, features))
        yield batch(random, ids, make(random, *places(random, len(ids))))


def _tracks(random: Any, x: Any, y: Any) -> Any:
    """Return lines that wander from a place by steps of about a kilometre."""
    turns = random.normal(0, 0.4, (len(x), _TRACK_VERTICES - 1)).cumsum(axis=1)
    headings = np.concatenate([np.zeros_like(x), turns], axis=1) + random.uniform(0, 6.28, x.shape)
    steps = 0.01 * np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    return shapely.linestrings(np.stack([x, y], axis=-1) + steps.cumsum(axis=1))


def _soundings(_random: Any, x: Any, y: Any) -> Any:
    return shapely.points(x.ravel(), y.ravel())


def _coast(random: Any) -> Any:
    """Return a rugged coast around the middle; seen from there no stretch hides another."""
    waves = np.arange(1, _COAST_VERTICES // 2 + 1)
    phases = np.exp(1j * random.uniform(0, 2 * math.pi, len(waves)))
    curve = np.fft.irfft(np.concatenate([[0], phases / waves**1.3]), _COAST_VERTICES)
    radii = np.clip(6 + curve * 1.2 / curve.std(), 1, 11)[1:]
    angles = np.linspace(0, 2 * math.pi, len(radii) + 1)[:-1]
    ring = np.column_stack([15 + 1.5 * radii * np.cos(angles), 38 + 0.7 * radii * np.sin(angles)])
    return shapely.Polygon(ring)
