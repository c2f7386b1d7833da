"""Invent what a survey would have noted of one cell: smooth over space, odd in the details."""

import math
import random
from datetime import date, timedelta
from functools import cache
from typing import Any

SCHEMA = {
    "geometry": "MultiPolygon",
    "properties": {
        "cell_id": "str:12",
        "habitat_class": "str:40",
        "depth_m": "float",
        "rugosity": "float",
        "coverage_percent": "int32",
        "survey_date": "date",
        "surveyor": "str:40",
        "data_status": "str:12",
    },
}

# Invented people. Their letters are the point: Greek, Turkish, Danish, Polish, Cyrillic, Han.
_SURVEYORS = [
    "Ελένη Παπαδοπούλου", "Γιώργος Νικολάου", "Μαρία Αγγελοπούλου", "Ayşe Yılmaz", "Çağrı Güneş",
    "Søren Ångström", "Łucja Wiśniewska", "José Muñoz", "Élodie Lefèvre", "Иван Петров",
    "佐藤 美咲", None,
]  # fmt: skip

# Down to this depth in metres: the classes, from the most rugged to the least.
_HABITATS = [
    (40, ["Infralittoral rock", "Posidonia oceanica meadow", "Infralittoral coarse sediment",
          "Infralittoral fine sand"]),
    (200, ["Coralligenous bottom", "Maerl bed", "Circalittoral sand", "Circalittoral mud"]),
    (math.inf, ["Bathyal rock", "Bathyal sand", "Bathyal mud", "Bathyal mud"]),
]  # fmt: skip

_DEEPEST_RUGOSITY_M = 600
_BLOCK_M = 40_000
_DAYS = 10


def observation(
    number: int, x: float, y: float, shore_m: float, chance: random.Random
) -> dict[str, Any]:
    """Return the attributes of a cell, as `SCHEMA` names them.

    Parameters
    ----------
    number : int
        Number of the cell, from 1.
    x, y : float
        Centre of the cell, in metres.
    shore_m : float
        Distance to the nearest land, in metres.
    chance : random.Random
        Source of the details; the same numbers of draws are taken for each cell.
    """
    hidden, depth_noise, class_noise, rough_noise, seen = (chance.random() for _ in range(5))
    depth_m = _depth_m(x, y, shore_m) * (0.94 + 0.12 * depth_noise)
    softness = min(max(_patchiness(x, y) + 0.1 * (class_noise - 0.5), 0.0), 0.999)
    survey_date, surveyor = _visit(x, y)
    return {
        "cell_id": f"AEG-{number:06d}",
        "habitat_class": None if hidden < 0.008 else _habitat(depth_m, softness),
        "depth_m": float(round(depth_m)),
        "rugosity": _rugosity(depth_m, softness, rough_noise),
        "coverage_percent": 100 - 5 * int(13 * seen**3),
        "survey_date": survey_date,
        "surveyor": surveyor,
        "data_status": "generated",
    }


def _depth_m(x: float, y: float, shore_m: float) -> float:
    """Deepen away from the shore, most in the south, with banks and basins."""
    southward = min(max((2_100_000 - y) / 600_000, 0.0), 1.0)
    basin = 350 + 750 * southward * (0.5 + 0.5 * _wave(x, y, 90_000, 0.7))
    bank = 0.55 + 0.45 * _wave(x, y, 37_000, 2.1)
    return 2 + basin * bank * (1 - math.exp(-shore_m / 14_000)) + shore_m / 250


def _patchiness(x: float, y: float) -> float:
    """Return 0 to 1, alike for neighbours, so that classes form patches."""
    return 0.5 + 0.3 * _wave(x, y, 21_000, 0.3) + 0.25 * _wave(x, y, 6_500, 1.9)


def _wave(x: float, y: float, length_m: float, phase: float) -> float:
    """Return -1 to 1; two crossed waves bent by a third, so that no stripes show."""
    u, v = x / length_m, y / length_m
    bend = math.sin(0.6 * u - 0.8 * v + 3 * phase)
    return math.sin(u + bend + phase) * math.cos(v - 0.7 * bend + 2 * phase)


def _habitat(depth_m: float, softness: float) -> str:
    classes = next(classes for limit, classes in _HABITATS if depth_m < limit)
    return classes[int(softness * len(classes))]


def _rugosity(depth_m: float, softness: float, noise: float) -> float | None:
    """Return surface area over plane area, 1 or more; null where too deep to be measured."""
    if depth_m > _DEEPEST_RUGOSITY_M:
        return None
    return round(20 + 28 * (1 - softness) ** 2 * (0.6 + 0.4 * noise)) / 20


def _visit(x: float, y: float) -> tuple[date, str | None]:
    """Return the day and the person: a cruise takes a block, a day a strip of the block."""
    column, row = math.floor(x / _BLOCK_M), math.floor(y / _BLOCK_M)
    first_day, team = _cruise(column, row)
    day = int((y / _BLOCK_M - row) * _DAYS)
    return first_day + timedelta(days=day), team[day % len(team)]


@cache
def _cruise(column: int, row: int) -> tuple[date, list[str | None]]:
    # Seeded with text: `random` hashes it with SHA-512, the same in every process.
    chance = random.Random(f"cruise {column} {row}")
    first_day = date(2019 + chance.randrange(6), 4, 1) + timedelta(days=chance.randrange(190))
    return first_day, chance.sample(_SURVEYORS, 4)
