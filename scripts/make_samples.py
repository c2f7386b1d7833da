"""Make the sample layers of the catalogue: `make samples`.

Downloads two pinned packages into a temporary folder, checks their hashes, converts them,
generates the survey, and writes `marinemap/catalogue/samples/`: a packed GeoPackage for each
source, and `manifest.json`, which says what is in them and where it comes from.

The same versions of Python's liblzma and of fiona, GEOS and PROJ give the same bytes again.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiona
from samples import atlas, geopackage, seabed, shipping, survey
from samples.packages import SEAROUTE, WORLD_ATLAS, Package, fetch

FOLDER = Path(__file__).parents[1] / "marinemap" / "catalogue" / "samples"
LIMIT_BYTES = 8_000_000


@dataclass(frozen=True)
class Sample:
    """A layer to make, with the words that travel with it into every extract."""

    id: str
    file: str
    title: str
    description: str
    licence: str
    attribution: str
    steps: list[str]
    packages: list[Package]
    schema: dict[str, Any]
    features: Callable[[dict[str, Path]], Iterable[geopackage.Feature]]
    crs: str = "EPSG:4326"


_NATURAL_EARTH = (
    "Made with Natural Earth (naturalearthdata.com), version 4.1.0, by way of world-atlas"
)
_SEAROUTE = "searoute-py, © 2024 Gent Halili, after Eurostat SeaRoute"
_ATLAS_STEPS = [
    "TopoJSON arcs decoded",
    "rings that cross 180 degrees cut there; Antarctica closed along the pole",
    "geometries made valid",
    "coordinates snapped to a grid of 1/2048 degree (54 m or less)",
]

# Land and countries share a file: their common shore is then stored once by the compression.
SAMPLES = [
    Sample(
        id="land",
        file="natural_earth.gpkg",
        title="Land",
        description=(
            "Continents and islands of the world at 1:10 million, one feature each, the largest "
            "first. Natural Earth's land, on a grid of about 400 m."
        ),
        licence="Public domain (Natural Earth terms of use); packaging ISC",
        attribution=_NATURAL_EARTH,
        steps=[*_ATLAS_STEPS, "area and length of shore computed on the WGS 84 ellipsoid"],
        packages=[WORLD_ATLAS],
        schema=atlas.LAND_SCHEMA,
        features=lambda folders: atlas.land(folders["world-atlas"]),
    ),
    Sample(
        id="countries",
        file="natural_earth.gpkg",
        title="Countries",
        description=(
            "Countries and territories at 1:10 million, as Natural Earth draws them (de facto "
            "borders). The Vatican is too small for this scale and is missing."
        ),
        licence="Public domain (Natural Earth terms of use); packaging ISC",
        attribution=_NATURAL_EARTH,
        steps=[*_ATLAS_STEPS, "area computed on the WGS 84 ellipsoid"],
        packages=[WORLD_ATLAS],
        schema=atlas.COUNTRIES_SCHEMA,
        features=lambda folders: atlas.countries(folders["world-atlas"]),
    ),
    Sample(
        id="ports",
        file="shipping.gpkg",
        title="Ports",
        description=(
            "Ports of the world with their codes, and the countries that a port is linked with. "
            "Positions are approximate; some inland ports are among them. Not for navigation."
        ),
        licence="Apache-2.0, as the package declares; it names no source for the ports",
        attribution=_SEAROUTE,
        steps=["one port code of two letters made null", "coordinates rounded to 1e-6 degree"],
        packages=[SEAROUTE],
        schema=shipping.PORTS_SCHEMA,
        features=lambda folders: shipping.ports(folders["searoute"]),
    ),
    Sample(
        id="shipping_lanes",
        file="shipping.gpkg",
        title="Shipping lanes",
        description=(
            "Lines along which ships commonly sail, with the names of straits and canals. "
            "For drawing and for estimates of distance. Not for navigation."
        ),
        licence=(
            "Apache-2.0, as the package declares; it credits Eurostat SeaRoute, which is EUPL-1.2"
        ),
        attribution=f"{_SEAROUTE}; Oak Ridge National Laboratory, Global Shipping Lane Network",
        steps=[
            "lines that cross 180 degrees cut there",
            "lines in several parts taken apart",
            "coordinates rounded to 1e-6 degree",
            "names of passages spelled out",
            "length computed on the WGS 84 ellipsoid",
        ],
        packages=[SEAROUTE],
        schema=shipping.LANES_SCHEMA,
        features=lambda folders: shipping.shipping_lanes(folders["searoute"]),
    ),
    Sample(
        id="habitat_survey",
        file="habitat_survey.gpkg",
        title="Seabed habitat survey, Aegean (generated)",
        description=(
            "GENERATED, NOT REAL DATA: a made-up survey of the seabed, to try a large layer on. "
            "Cells, depths, habitats, dates and names are all invented; only the shore is real."
        ),
        licence="CC0-1.0",
        attribution="Generated by MarineMap; shore after Natural Earth",
        steps=[
            f"scripts/samples/survey.py, random.Random({survey.SEED}): Voronoi cells of shaken "
            "points",
            "cells clipped to the sea: the Aegean, drawn by hand, less the layer land",
            f"coordinates snapped to a grid of {survey.GRID_M:g} m",
            "attributes invented by scripts/samples/seabed.py",
        ],
        packages=[WORLD_ATLAS],
        schema=seabed.SCHEMA,
        features=lambda folders: survey.habitat_survey(atlas.land_polygons(folders["world-atlas"])),
        crs=survey.CRS,
    ),
]


def main() -> None:
    """Make every sample, then the manifest; print what it cost."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="marinemap-samples-") as name:
        work = Path(name)
        folders = {package.name: fetch(package, work) for package in (WORLD_ATLAS, SEAROUTE)}
        for sample in SAMPLES:
            _write(sample, folders, work)
        for file in sorted({sample.file for sample in SAMPLES}):
            geopackage.pack(work / file, FOLDER / f"{file}.xz")
        _write_manifest([_entry(sample, work) for sample in SAMPLES])
    _check_size()


def _write(sample: Sample, folders: dict[str, Path], work: Path) -> None:
    features = list(sample.features(folders))
    geopackage.write(work / sample.file, sample.id, sample.crs, sample.schema, features)
    print(f"{sample.id}: {len(features):,} features")


def _entry(sample: Sample, work: Path) -> dict[str, Any]:
    unpacked = work / sample.file
    packed = FOLDER / f"{sample.file}.xz"
    return {
        "id": sample.id,
        "title": sample.title,
        "description": sample.description,
        "file": packed.name,
        "layer": sample.id,
        **geopackage.describe(unpacked, sample.id),
        "licence": sample.licence,
        "attribution": sample.attribution,
        "provenance": {
            "packages": [package.provenance for package in sample.packages],
            "steps": sample.steps,
        },
        "sha256": geopackage.sha256(packed),
        "unpacked_file": unpacked.name,
        "unpacked_bytes": unpacked.stat().st_size,
        "unpacked_sha256": geopackage.sha256(unpacked),
    }


def _write_manifest(entries: list[dict[str, Any]]) -> None:
    manifest = {
        "about": "Written by scripts/make_samples.py; docs/reference/samples.md explains it.",
        "made_with": {"fiona": fiona.__version__, "gdal": fiona.__gdal_version__},
        "layers": entries,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (FOLDER / "manifest.json").write_text(f"{text}\n", "utf-8")


def _check_size() -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    for name, size in sizes.items():
        print(f"{name}: {size:,} bytes")
    total = sum(sizes.values())
    print(f"{total:,} bytes in all")
    if total > LIMIT_BYTES:
        raise SystemExit(f"{FOLDER}: {total:,} bytes; the repository takes {LIMIT_BYTES:,}")


if __name__ == "__main__":
    main()
