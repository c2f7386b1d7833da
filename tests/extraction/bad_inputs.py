"""Bad files and areas, by name: what each is, and what its refusal must say."""

from __future__ import annotations

import io
import json
import math
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from tests.extraction.layers import write_layer

SQUARE = shapely.box(3, 3, 4, 4)
RING = [[3, 3], [4, 3], [4, 4], [3, 4], [3, 3]]
XML = '<?xml version="1.0"?>'
KML = f'{XML}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>%s</Document></kml>'

Parts = dict[str, bytes]


@dataclass(frozen=True)
class BadInput:
    """An input, how the engine meets it, and the words of its refusal; empty where it is taken."""

    name: str
    kind: str
    make: Callable[[Path], Path]
    says: str


def text(content: str) -> Callable[[Path], Path]:
    return raw(content.encode())


def raw(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "input").write_bytes(content)
        return folder / "input"

    return make


def area(value: Any) -> Callable[[Path], Path]:
    return text(json.dumps(value))


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def shapefile(folder: Path, geometries: Any = (SQUARE,)) -> Parts:
    """Return the five parts of a shapefile, by suffix."""
    path = write_layer(folder / "made.shp", geometries, driver="ESRI Shapefile")
    path.with_suffix(".cpg").write_text("UTF-8")
    return {part.suffix: part.read_bytes() for part in folder.glob("made.*")}


def zipped(change: Callable[[Parts], Any], geometries: Any = (SQUARE,)) -> Callable[[Path], Path]:
    """Zip a shapefile once its parts are changed."""

    def make(folder: Path) -> Path:
        parts = shapefile(folder, geometries)
        change(parts)
        return archive({f"sea{suffix}": data for suffix, data in parts.items()})(folder)

    return make


def loose(change: Callable[[Parts], Any], geometries: Any = (SQUARE,)) -> Callable[[Path], Path]:
    """Lay a shapefile into a folder once its parts are changed."""

    def make(folder: Path) -> Path:
        parts = shapefile(folder, geometries)
        change(parts)
        (folder / "data").mkdir()
        for suffix, data in parts.items():
            (folder / "data" / f"sea{suffix}").write_bytes(data)
        return folder / "data"

    return make


def archive(members: dict[str, bytes]) -> Callable[[Path], Path]:
    return raw(zip_of([(zipfile.ZipInfo(name), data) for name, data in members.items()]))


def zip_of(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for info, data in members:
            opened.writestr(info, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def put(suffix: str, at: int, data: bytes) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        old = parts[suffix]
        parts[suffix] = old[:at] + data + old[at + len(data) :]

    return change


def cut(suffix: str, length: int) -> Callable[[Parts], None]:
    return lambda parts: parts.update({suffix: parts[suffix][:length]})


def without(suffix: str) -> Callable[[Parts], None]:
    return lambda parts: parts.pop(suffix) and None


def instead(suffix: str, data: bytes) -> Callable[[Parts], None]:
    return lambda parts: parts.update({suffix: data})


def as_it_is(parts: Parts) -> None:
    """Change nothing."""


def star(corners: int, step: int) -> list[list[float]]:
    """Return a ring that crosses itself some ``corners * step`` times."""
    angles = np.arange(corners + 1) * step % corners * 2 * math.pi / corners
    return np.column_stack([5 + np.cos(angles), 5 + np.sin(angles)]).tolist()


def comb(teeth: int, *, upright: bool) -> list[list[float]]:
    """Return a valid comb over the square from (0, 0) to (10, 10)."""
    x = np.repeat(np.arange(2 * teeth) * (10 / (2 * teeth)) + 0.0001, 2)
    y = np.tile([0.1, 9.9, 9.9, 0.1], teeth)
    ring = np.column_stack([np.r_[x, 10, 0], np.r_[y, 0, 0]])
    ring = ring if upright else ring[:, ::-1]
    return [*ring.tolist(), ring[0].tolist()]


def slanting_comb(teeth: int) -> list[list[float]]:
    """Return a valid comb whose edges all lie in one another's boxes."""
    places = np.arange(teeth) / teeth
    points = np.empty((2 * teeth, 2))
    points[::2] = np.column_stack([places, np.zeros(teeth)])
    points[1::2] = np.column_stack([places + 2, np.ones(teeth)])
    return [*points.tolist(), [3.5, 1.1], [3.5, -1], [-1, -1], points[0].tolist()]


def circle(corners: int) -> list[list[float]]:
    angles = np.linspace(0, 2 * math.pi, corners)
    ring = np.column_stack([5 + np.cos(angles), 5 + np.sin(angles)])
    ring[-1] = ring[0]
    return ring.tolist()


def nested(depth: int) -> str:
    opening = '{"type":"GeometryCollection","geometries":['
    return opening * depth + json.dumps(polygon(RING)) + "]}" * depth


def sparse(size: int, head: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with (folder / "input").open("wb") as file:
            file.write(head)
            file.truncate(size)
        return folder / "input"

    return make


def overlapping(folder: Path) -> Path:
    """Zip a .shp whose bytes hold the next member whole."""
    inner = zip_of([(zipfile.ZipInfo("sea.dbf"), b"x" * 100)])
    local = inner[: inner.index(b"PK\x01\x02")]
    head = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 7, 0)
    crc, size = zlib.crc32(local), len(local)
    head = head[:14] + struct.pack("<3I", crc, size, size) + head[26:] + b"sea.shp"
    central = inner[inner.index(b"PK\x01\x02") : inner.index(b"PK\x05\x06")]
    fields = (20, 20, 0, 0, 0, 33, crc, size, size, 7, 0, 0, 0, 0, 0, 0)
    of_shp = b"PK\x01\x02" + struct.pack("<6H3I5H2I", *fields) + b"sea.shp"
    moved = central[:42] + struct.pack("<I", len(head)) + central[46:]
    start = len(head) + len(local)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(of_shp + moved), start, 0)
    return raw(head + local + of_shp + moved + end)(folder)


def cut_in_half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def encrypted(folder: Path) -> Path:
    content = bytearray(zipped(as_it_is)(folder).read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + at] |= 1
            place = content.find(mark, place + 1)
    return raw(bytes(content))(folder)


def linked(folder: Path) -> Path:
    link = zipfile.ZipInfo("sea.shp")
    link.external_attr = 0o120777 << 16
    return raw(zip_of([(link, b"/etc/passwd")]))(folder)


def two_crses(folder: Path) -> Path:
    path = write_layer(folder / "a.gpkg", [SQUARE], kind="Polygon")
    write_layer_into(path, "b", shapely.box(3e5, 5e6, 4e5, 5.1e6), "EPSG:32632")
    return path


def write_layer_into(path: Path, layer: str, geometry: Any, crs: str) -> None:
    wkb = shapely.to_wkb(np.array([geometry], object))
    pyogrio.raw.write(
        path, wkb, field_data=[], fields=[], layer=layer, geometry_type="Polygon", crs=crs
    )


def deep_geopackage(folder: Path) -> Path:
    """Put a geometry of 20,000 nested collections into a GeoPackage: GEOS crashes on it."""
    path = write_layer(folder / "sea.gpkg", [SQUARE, SQUARE], kind="Unknown")
    deep = struct.pack("<BII", 1, 7, 1) * 20_000 + struct.pack("<BII", 1, 7, 0)
    with closing(sqlite3.connect(path)) as database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        (column,) = database.execute("SELECT column_name FROM gpkg_geometry_columns").fetchone()
        (head,) = database.execute(f"SELECT substr({column}, 1, 40) FROM sea").fetchone()
        database.execute(f"UPDATE sea SET {column} = ? WHERE number = 1", [head + deep])
        database.commit()
    return path


def odd_layer(name: str) -> Callable[[Path], Path]:
    """Ask for a layer of a GeoPackage by a name that it does not have."""

    def make(folder: Path) -> Path:
        path = write_layer(folder / "sea.gpkg", [SQUARE], kind="Polygon")
        return text(json.dumps(["sea", str(path), name]))(folder)

    return make


def odd_name(name: str) -> Callable[[Path], Path]:
    return lambda folder: text(json.dumps([name, str(folder / "sea.gpkg"), None]))(folder)


NOISE = random.Random(4).randbytes(500_000).hex().encode()
MANY = [
    shapely.box(x / 100, y / 100, x / 100 + 0.005, y / 100 + 0.005) for x, y in np.ndindex(101, 100)
]
NOT_FINITE = put(".shp", 100 + 8 + 44 + 4 + 16, struct.pack("<d", math.nan))
OFF_GLOBE = [shapely.box(500_000, 5_000_000, 500_100, 5_000_100)]

# The numbers are those of the list that the service promises to refuse.
BAD_INPUTS = [
    BadInput("01 not a zip", "file", raw(b"PK\x03\x04 but no more"), "zip is damaged"),
    BadInput(
        "02 zip cut in half",
        "file",
        lambda f: cut_in_half(zipped(as_it_is)(f)),
        "zip is damaged",
    ),
    BadInput(
        "03 zip bomb",
        "file",
        archive({"a.shp": bytes(300 * 2**20)}),
        "more than 100 times its size or 104,857,600 bytes",
    ),
    BadInput("04 overlapping zip", "file", overlapping, "files in the zip overlap"),
    BadInput(
        "05 zip in a zip",
        "file",
        archive({"a.zip": zip_of([(zipfile.ZipInfo("a.shp"), b"")])}),
        "exactly one shapefile",
    ),
    BadInput("06 name that climbs", "file", archive({"../a.shp": b""}), "names that lead out"),
    BadInput("07 absolute name", "file", archive({"/etc/a.shp": b""}), "names that lead out"),
    BadInput("08 link in a zip", "file", linked, "names that lead out"),
    BadInput(
        "09 same name twice",
        "file",
        raw(zip_of([(zipfile.ZipInfo("a.shp"), b""), (zipfile.ZipInfo("A.SHP"), b"")])),
        "exactly one shapefile",
    ),
    BadInput(
        "10 ten thousand members",
        "file",
        archive({f"{n}.shp": b"" for n in range(10_000)}),
        "10000 files; at most 20",
    ),
    BadInput("11 encrypted zip", "file", encrypted, "encrypted"),
    BadInput("12 no .shp", "file", zipped(without(".shp")), "exactly one shapefile"),
    BadInput("13 no .shx", "file", zipped(without(".shx")), r"no \.shx"),
    BadInput("13 no .shx, source", "source", loose(without(".shx")), r"no \.shx"),
    BadInput("14 no .dbf", "file", zipped(without(".dbf")), r"no \.dbf"),
    BadInput("14 no .dbf, source", "source", loose(without(".dbf")), r"no \.dbf"),
    BadInput(
        "15 two shapefiles", "file", archive({"a.shp": b"", "b.shp": b""}), "exactly one shapefile"
    ),
    BadInput("15 layers of two CRSs", "file", two_crses, "layers are in different CRSs"),
    BadInput(
        "16 .shp cut",
        "file",
        zipped(cut(".shp", 110)),
        r"\.shp is 110 bytes long but its header says 236",
    ),
    BadInput(
        "16 .shp cut, source",
        "source",
        loose(cut(".shp", 110)),
        r"\.shp is 110 bytes long but its header says 236",
    ),
    BadInput(
        "17 .shx offset lies",
        "file",
        zipped(put(".shx", 100, struct.pack(">i", 5000))),
        r"\.shx points outside",
    ),
    BadInput(
        "17 .shx offset lies, source",
        "source",
        loose(put(".shx", 100, struct.pack(">i", 5000))),
        r"\.shx points outside",
    ),
    BadInput(
        "18 .shx length lies",
        "file",
        zipped(put(".shx", 24, struct.pack(">i", 2**30))),
        r"\.shx is 108 bytes long but its header says 2,147,483,648",
    ),
    BadInput(
        "18 .shx length lies, source",
        "source",
        loose(put(".shx", 104, struct.pack(">i", 2))),
        r"\.shp has 1 records that differ from its index",
    ),
    BadInput(
        "19 .dbf counts too many",
        "file",
        zipped(put(".dbf", 4, struct.pack("<I", 134_000_000))),
        r"\.dbf is .* bytes long but its header says",
    ),
    BadInput(
        "19 .dbf counts too many, source",
        "source",
        loose(put(".dbf", 4, struct.pack("<I", 134_000_000))),
        r"\.dbf is .* bytes long but its header says",
    ),
    BadInput(
        "20 shape type lies",
        "file",
        zipped(put(".shp", 32, struct.pack("<i", 3))),
        r"\.shp has 1 records that differ",
    ),
    BadInput(
        "20 shape type lies, source",
        "source",
        loose(put(".shp", 32, struct.pack("<i", 3))),
        r"\.shp has 1 records that differ",
    ),
    BadInput("21 no .prj", "file", zipped(without(".prj")), r"no \.prj, the CRS"),
    BadInput("21 no .prj, source", "source", loose(without(".prj")), "no CRS"),
    BadInput("21 odd .prj", "file", zipped(instead(".prj", b"of no use")), "CRS"),
    BadInput("21 odd .prj, source", "source", loose(instead(".prj", b"of no use")), "no CRS"),
    BadInput(
        "22 .cpg climbs",
        "file",
        zipped(instead(".cpg", b"../../etc/passwd")),
        r"\.cpg names no encoding",
    ),
    BadInput(
        "22 .cpg climbs, source",
        "source",
        loose(instead(".cpg", b"../../etc/passwd")),
        r"\.cpg names no encoding",
    ),
    BadInput(
        "23 control characters in a field", "source", loose(put(".dbf", 32, b'a\n\x1b"\x07')), ""
    ),
    BadInput(
        "24 NaN",
        "area",
        text(json.dumps(polygon([*RING[:2], [math.nan, 5], RING[0]]))),
        "not a finite number",
    ),
    BadInput("24 NaN, shapefile", "file", zipped(NOT_FINITE), "not a finite number"),
    BadInput(
        "25 Infinity",
        "file",
        text(json.dumps(polygon(RING)).replace("4", "1e999")),
        "not a finite number",
    ),
    BadInput(
        "26 out of range",
        "area",
        area(polygon([[3, 3], [4, 3], [4, 99], [3, 3]])),
        "off the globe; longitude is -180 to 180",
    ),
    BadInput(
        "26 out of range, shapefile",
        "file",
        zipped(as_it_is, OFF_GLOBE),
        "off the globe; longitude is -180 to 180",
    ),
    BadInput("27 bow-tie", "area", area(polygon([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]])), ""),
    BadInput(
        "28 star of 201",
        "area",
        area(polygon(star(201, 100))),
        "crosses itself more than 5,000 times",
    ),
    BadInput(
        "28 star of 1,001, shapefile",
        "file",
        zipped(as_it_is, [shapely.Polygon(star(1001, 500))]),
        "crosses itself more than 5,000 times",
    ),
    BadInput(
        "28 two combs that cross",
        "area",
        area(
            {
                "type": "MultiPolygon",
                "coordinates": [[comb(500, upright=True)], [comb(500, upright=False)]],
            }
        ),
        "crosses itself more than 50,000 times",
    ),
    BadInput(
        "28 comb that slants", "area", area(polygon(slanting_comb(20_000))), "tangled.*10,000,000"
    ),
    BadInput(
        "29 corners over the limit",
        "file",
        text(json.dumps(polygon(circle(500_001)))),
        "500,001 corners; at most 500,000",
    ),
    BadInput(
        "29 corners over the limit, shapefile",
        "file",
        zipped(as_it_is, [shapely.Polygon(circle(500_001))]),
        "500,001 corners; at most 500,000",
    ),
    BadInput(
        "29 a million corners, shapefile",
        "file",
        zipped(as_it_is, [shapely.Polygon(circle(1_000_000))]),
        "more than 500,000 corners",
    ),
    BadInput(
        "29 features over the limit", "file", zipped(as_it_is, MANY), "more than 10,000 features"
    ),
    BadInput(
        "30 nested collections",
        "file",
        text(nested(8)),
        "nested more than 5 deep|nested more than 16 deep",
    ),
    BadInput(
        "30 nested collections, GeoPackage",
        "file",
        deep_geopackage,
        "cannot be read: Unable to read geometry",
    ),
    # Left out and named, beside the one that can be read.
    BadInput("30 nested collections, source", "source", deep_geopackage, ""),
    BadInput("30 nested collections, bare", "geometries", deep_geopackage, ""),
    BadInput("31 JSON of 100,000 levels", "file", text("[" * 100_000), "nested more than 16 deep"),
    BadInput(
        "31 JSON of 20 MiB of brackets", "file", text("[" * 20 * 2**20), "brackets.* 3,000,000"
    ),
    BadInput(
        "31 JSON of 20 MiB of empty lists",
        "file",
        text("[" + "[]," * (6 * 2**20) + "[]]"),
        "brackets.* 3,000,000",
    ),
    BadInput(
        "32 300 MB of spaces",
        "file",
        sparse(300 * 10**6, b"{ "),
        "300,000,000 bytes; at most 20,971,520",
    ),
    BadInput(
        "33 crs by a link",
        "file",
        area(
            {
                **polygon(RING),
                "crs": {"type": "link", "properties": {"href": "http://127.0.0.1:9/"}},
            }
        ),
        "'crs' member",
    ),
    BadInput(
        "34 VRT",
        "file",
        text("<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>"),
        "is not a zipped shapefile",
    ),
    BadInput(
        "35 GDALG",
        "file",
        area(
            {"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline read /etc/passwd"}
        ),
        "is not an area",
    ),
    BadInput(
        "36 WFS",
        "file",
        text("<OGRWFSDataSource><URL>http://127.0.0.1:9/</URL></OGRWFSDataSource>"),
        "is not a zipped shapefile",
    ),
    BadInput(
        "37 KML with entities",
        "file",
        text(f'{XML}<!DOCTYPE k [<!ENTITY a "&b;&b;">]><kml>&a;</kml>'),
        "DOCTYPE",
    ),
    BadInput(
        "38 KML with a link",
        "file",
        text(KML % "<NetworkLink><Link><href>http://127.0.0.1:9/</href></Link></NetworkLink>"),
        "no area|cannot be read",
    ),
    BadInput(
        "38 KML of 200,000 levels",
        "file",
        text(KML % ("<Folder>" * 200_000)),
        "cannot be read|could not be read within",
    ),
    BadInput(
        "39 CRS of a megabyte",
        "crs",
        text("+proj=merc" + " +x=1" * 200_000),
        "not a CRS; write an EPSG code",
    ),
    BadInput(
        "39 CRS by a link", "crs", text("http://127.0.0.1:9/epsg"), "not a CRS; write an EPSG code"
    ),
    BadInput(
        "39 .prj of a megabyte",
        "file",
        zipped(instead(".prj", NOISE)),
        r"\.prj in the zip has 1,000,000 bytes; .* 65,536",
    ),
    BadInput(
        "39 .prj by a link", "file", zipped(instead(".prj", b"http://127.0.0.1:9/epsg")), "CRS"
    ),
    BadInput("40 name that climbs", "request", odd_name("../evil"), "cannot name a file"),
    BadInput(
        "40 layer with a quote",
        "request",
        odd_layer("sea' OR 1=1 --"),
        "no layer 'sea' OR 1=1 --' in sea.gpkg; it has 'sea'",
    ),
    BadInput(
        "41 empty area",
        "area",
        area({"type": "FeatureCollection", "features": []}),
        "the area is empty",
    ),
    BadInput(
        "42 area without surface",
        "area",
        area(polygon([[1, 1], [2, 2], [3, 3], [1, 1]])),
        "no surface",
    ),
    BadInput(
        "43 hole outside of its ring",
        "area",
        area(polygon(RING, [[7, 7], [8, 7], [8, 8], [7, 7]])),
        "",
    ),
    BadInput(
        "44 point for a polygon",
        "area",
        area({"type": "Point", "coordinates": [1, 2]}),
        "Point.* is not an area",
    ),
    BadInput(
        "44 point for a polygon, shapefile",
        "file",
        zipped(as_it_is, [shapely.Point(1, 2)]),
        "holds no area",
    ),
    BadInput(
        "45 ring across 180 degrees",
        "area",
        area(polygon([[170, 0], [190, 0], [190, 9], [170, 0]])),
        "",
    ),
]
