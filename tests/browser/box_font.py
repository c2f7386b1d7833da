"""A font whose letters are boxes: what is set in it looks the same on each machine."""

from __future__ import annotations

import base64
import struct

_EM = 1000
_ADVANCE = 560
_ASCENT, _DESCENT = 800, 200
_BOX = (60, 0, 500, 560)
_SPACES = (0x20, 0xA0)


def box_font_css() -> str:
    """Return the rules that have all texts of a page set in it."""
    data = base64.b64encode(_font()).decode()
    face = f'@font-face {{ font-family: boxes; src: url("data:font/ttf;base64,{data}"); }}'
    return face + "* { font-family: boxes !important; font-synthesis: none; }"


def _font() -> bytes:
    """Return a TrueType font of three glyphs (OpenType 1.9: none, the space, the box)."""
    box = _box()
    tables = {
        b"OS/2": _os2(),
        b"cmap": _cmap(),
        b"glyf": box,
        b"head": _head(),
        b"hhea": struct.pack(">Ihhh", 0x10000, _ASCENT, -_DESCENT, 0)
        + struct.pack(">H11hH", _ADVANCE, 0, 0, _EM, 1, 0, 0, 0, 0, 0, 0, 0, 1),
        b"hmtx": struct.pack(">Hhhh", _ADVANCE, 0, 0, _BOX[0]),
        b"loca": struct.pack(">4I", 0, 0, 0, len(box)),
        b"maxp": struct.pack(">I14H", 0x10000, 3, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
        b"name": _name(),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, -100, 50, 0, 0, 0, 0, 0),
    }
    return _packed(tables)


def _packed(tables: dict[bytes, bytes]) -> bytes:
    at = 12 + 16 * len(tables)
    directory, contents = b"", b""
    for tag, table in tables.items():
        padded = table + b"\0" * (-len(table) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) % 2**32
        directory += tag + struct.pack(">III", checksum, at + len(contents), len(table))
        contents += padded
    return struct.pack(">IHHHH", 0x10000, len(tables), 128, 3, 32) + directory + contents


def _cmap() -> bytes:
    """Give each character the box, but for spaces (format 13: many to one)."""
    first, second = _SPACES
    ranges = [(first, first, 1), (first + 1, second - 1, 2), (second, second, 1)]
    ranges.append((second + 1, 0x10FFFF, 2))
    groups = b"".join(struct.pack(">III", *each) for each in ranges)
    header = struct.pack(">HHHHI", 0, 1, 3, 10, 12)
    return header + struct.pack(">HHIII", 13, 0, 16 + len(groups), 0, len(ranges)) + groups


def _box() -> bytes:
    left, bottom, right, top = _BOX
    header = struct.pack(">hhhhhHH", 1, left, bottom, right, top, 3, 0)
    xs = struct.pack(">4h", left, 0, right - left, 0)
    ys = struct.pack(">4h", bottom, top - bottom, 0, bottom - top)
    return header + bytes([1] * 4) + xs + ys


def _head() -> bytes:
    start = struct.pack(">IIIIHH", 0x10000, 0x10000, 0, 0x5F0F3CF5, 3, _EM)
    dates = struct.pack(">QQ", 0, 0)
    return start + dates + struct.pack(">4hHHhhh", *_BOX, 0, 8, 2, 1, 0)


def _os2() -> bytes:
    start = struct.pack(">HhHHH", 4, _ADVANCE, 400, 5, 0)
    sizes = struct.pack(">10h", 650, 600, 0, 75, 650, 600, 0, 350, 50, 250)
    rest = struct.pack(">h10s4I4sHHH", 0, bytes(10), 1, 0, 0, 0, b"BOXS", 0x40, 0x20, 0xFFFF)
    heights = struct.pack(">hhhHH", _ASCENT, -_DESCENT, 0, _ASCENT, _DESCENT)
    return start + sizes + rest + heights + struct.pack(">IIhhHHH", 1, 0, 500, 560, 0, 0x20, 1)


def _name() -> bytes:
    texts = {1: "boxes", 2: "Regular", 4: "boxes", 6: "boxes"}
    records, contents = b"", b""
    for number, text in texts.items():
        encoded = text.encode("utf-16-be")
        records += struct.pack(">6H", 3, 1, 0x409, number, len(encoded), len(contents))
        contents += encoded
    return struct.pack(">HHH", 0, len(texts), 6 + len(records)) + records + contents
