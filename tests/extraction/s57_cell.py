# ruff: noqa: E501 (a record reads best in one line)
"""A nautical chart in a few bytes, made by code: S-57 edition 3.1 in ISO/IEC 8211.

Only what a reader needs: one depth area, one buoy with names in two alphabets, three soundings.
"""

from __future__ import annotations

import struct
from pathlib import Path

UNIT, FIELD = b"\x1f", b"\x1e"
_COMF, _SOMF = 10_000_000, 10
# Object classes (S-57 appendix A): depth area, sounding, buoy; attributes by number.
_DEPARE, _SOUNDG, _BOYLAT = 42, 129, 17
_DRVAL1, _DRVAL2, _OBJNAM, _NOBJNM = 87, 88, 116, 301
_POINT, _LINE, _AREA = 1, 2, 3
# How one object belongs to another: it is its master, its slave or its peer.
_PEER = 3

_DESCRIPTIONS = {
    b"0001": (b"0500;&   ISO 8211 Record Identifier", b"", b"(b12)"),
    b"DSID": (
        b"1600;&   Data set identification field",
        b"RCNM!RCID!EXPP!INTU!DSNM!EDTN!UPDN!UADT!ISDT!STED!PRSP!PSDN!PRED!PROF!AGEN!COMT",
        b"(b11,b14,2b11,3A,2A(8),R(4),b11,2A,b11,b12,A)",
    ),
    b"DSSI": (
        b"1600;&   Data set structure information field",
        b"DSTR!AALL!NALL!NOMR!NOCR!NOGR!NOLR!NOIN!NOCN!NOED!NOFA",
        b"(3b11,8b14)",
    ),
    b"DSPM": (
        b"1600;&   Data set parameter field",
        b"RCNM!RCID!HDAT!VDAT!SDAT!CSCL!DUNI!HUNI!PUNI!COUN!COMF!SOMF!COMT",
        b"(b11,b14,3b11,b14,4b11,2b14,A)",
    ),
    b"FRID": (
        b"1600;&   Feature record identifier field",
        b"RCNM!RCID!PRIM!GRUP!OBJL!RVER!RUIN",
        b"(b11,b14,2b11,2b12,b11)",
    ),
    b"FOID": (b"1600;&   Feature object identifier field", b"AGEN!FIDN!FIDS", b"(b12,b14,b12)"),
    b"ATTF": (b"2600;&-A Feature record attribute field", b"*ATTL!ATVL", b"(b12,A)"),
    b"NATF": (b"2600;&%/ANational attribute field", b"*ATTL!ATVL", b"(b12,A)"),
    b"FFPT": (
        b"2600;&   Feature record to feature object pointer field",
        b"*LNAM!RIND!COMT",
        b"(B(64),b11,A)",
    ),
    b"FSPT": (
        b"2600;&   Feature to spatial record pointer",
        b"*NAME!ORNT!USAG!MASK",
        b"(B(40),3b11)",
    ),
    b"VRID": (
        b"1600;&   Vector record identifier field",
        b"RCNM!RCID!RVER!RUIN",
        b"(b11,b14,b12,b11)",
    ),
    b"VRPT": (
        b"2600;&   Vector record pointer field",
        b"*NAME!ORNT!USAG!TOPI!MASK",
        b"(B(40),4b11)",
    ),
    b"SG2D": (b"2500;&   2-D coordinate field", b"*YCOO!XCOO", b"(2b24)"),
    b"SG3D": (b"2500;&   3-D coordinate field", b"*YCOO!XCOO!VE3D", b"(3b24)"),
}
_PAIRS = [b"0001DSID", b"DSIDDSSI", b"0001DSPM", b"0001FRID", b"FRIDFOID", b"FRIDATTF"]
_PAIRS += [
    b"FRIDNATF",
    b"FRIDFFPT",
    b"FRIDFSPT",
    b"0001VRID",
    b"VRIDVRPT",
    b"VRIDSG2D",
    b"VRIDSG3D",
]


def write_chart(path: Path) -> Path:
    """Write a chart with a depth area (1, 1)-(3, 3), a buoy at (2, 2), three soundings."""
    records = [
        [
            (b"DSID", _identification()),
            (b"DSSI", struct.pack("<3B8I", 2, 1, 2, 0, 0, 0, 3, 0, 2, 1, 0)),
        ],
        [
            (
                b"DSPM",
                struct.pack("<BI3BI4BII", 20, 1, 2, 12, 23, 50_000, 1, 1, 1, 1, _COMF, _SOMF)
                + UNIT,
            )
        ],
        _isolated(1, [(2.0, 2.0)]),
        _isolated(2, [(1.5, 1.5, 5.5), (2.5, 1.5, 7.0), (2.5, 2.5, 12.0)]),
        _node(1, 1.0, 1.0),
        _edge(1, 1, [(3.0, 1.0), (3.0, 3.0), (1.0, 3.0)]),
        _feature(1, _DEPARE, _AREA, 130, 1, [(_DRVAL1, "5"), (_DRVAL2, "20")]),
        _feature(
            2, _BOYLAT, _POINT, 110, 1, [(_OBJNAM, "Récif Sud")], [(_NOBJNM, "南礁")], [(1, _PEER)]
        ),
        _feature(3, _SOUNDG, _POINT, 110, 2, []),
    ]
    data = _first_record()
    for number, fields in enumerate(records, 1):
        data += _record([(b"0001", struct.pack("<H", number)), *fields])
    path.write_bytes(data)
    return path


def _identification() -> bytes:
    texts = [b"TEST0001.000", b"1", b"0"]
    head = struct.pack("<BIBB", 10, 1, 1, 5) + b"".join(text + UNIT for text in texts)
    head += b"2026010120260101" + b"03.1" + bytes([1]) + UNIT + b"2.0" + UNIT
    return head + bytes([1]) + struct.pack("<H", 540) + UNIT


def _isolated(number: int, positions: list[tuple[float, ...]]) -> list[tuple[bytes, bytes]]:
    tag = b"SG3D" if len(positions[0]) == 3 else b"SG2D"
    return [(b"VRID", struct.pack("<BIHB", 110, number, 1, 1)), (tag, _positions(positions))]


def _node(number: int, x: float, y: float) -> list[tuple[bytes, bytes]]:
    return [(b"VRID", struct.pack("<BIHB", 120, number, 1, 1)), (b"SG2D", _positions([(x, y)]))]


def _edge(number: int, node: int, between: list[tuple[float, ...]]) -> list[tuple[bytes, bytes]]:
    ends = b"".join(struct.pack("<BI4B", 120, node, 255, 255, topology, 255) for topology in (1, 2))
    head = (b"VRID", struct.pack("<BIHB", 130, number, 1, 1))
    return [head, (b"VRPT", ends), (b"SG2D", _positions(between))]


def _positions(positions: list[tuple[float, ...]]) -> bytes:
    found = b""
    for x, y, *depth in positions:
        found += struct.pack("<ii", round(y * _COMF), round(x * _COMF))
        found += b"".join(struct.pack("<i", round(z * _SOMF)) for z in depth)
    return found


def _feature(
    number: int,
    object_class: int,
    primitive: int,
    vector_kind: int,
    vector: int,
    attributes: list[tuple[int, str]],
    national: list[tuple[int, str]] | None = None,
    others: list[tuple[int, int]] | None = None,
) -> list[tuple[bytes, bytes]]:
    frid = struct.pack("<BIBBHHB", 100, number, primitive, 1, object_class, 1, 1)
    fields = [(b"FRID", frid), (b"FOID", struct.pack("<HIH", 540, number, 1))]
    if attributes:
        latin = (struct.pack("<H", n) + text.encode("latin-1") + UNIT for n, text in attributes)
        fields.append((b"ATTF", b"".join(latin)))
    if national:
        wide = (
            struct.pack("<H", n) + text.encode("utf-16-le") + "\x1f".encode("utf-16-le")
            for n, text in national
        )
        fields.append((b"NATF", b"".join(wide)))
    if others:
        pointers = (struct.pack("<HIHB", 540, n, 1, how) + UNIT for n, how in others)
        fields.append((b"FFPT", b"".join(pointers)))
    usage = 1 if primitive == _AREA else 255
    orient = 1 if primitive == _AREA else 255
    pointer = struct.pack("<BI3B", vector_kind, vector, orient, usage, 255)
    return [*fields, (b"FSPT", pointer)]


def _first_record() -> bytes:
    control = b"0000;&   " + b"Chart" + UNIT + b"".join(_PAIRS)
    fields = [(b"0000", control)]
    fields += [
        (tag, head + UNIT + labels + UNIT + form)
        for tag, (head, labels, form) in _DESCRIPTIONS.items()
    ]
    return _record(fields, is_first=True)


def _record(fields: list[tuple[bytes, bytes]], *, is_first: bool = False) -> bytes:
    """Return a record: leader, directory, field area (ISO/IEC 8211, section 6)."""
    directory, area = b"", b""
    for tag, content in fields:
        # Texts of two bytes a letter have delimiters of two bytes.
        content += FIELD + (b"\0" if tag == b"NATF" else b"")
        directory += tag + b"%05d%05d" % (len(content), len(area))
        area += content
    base = 24 + len(directory) + 1
    length = base + len(area)
    if is_first:
        leader = b"%05d3LE1 09%05d ! 5504" % (length, base)
    else:
        leader = b"%05d D     %05d   5504" % (length, base)
    return leader + directory + FIELD + area
