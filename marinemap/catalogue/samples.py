"""The sample layers that come with the project; what they are is in their manifest."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from marinemap.catalogue.area_names import index_missing
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import LayerText, register
from marinemap.errors import ServiceError
from marinemap.extraction import real_path

_FOLDER = Path(__file__).parent / "samples"
_CHUNK_BYTES = 1 << 20


def are_loaded() -> bool:
    """Tell whether these samples were loaded into this site before.

    An administrator may have removed some since; they do not come back by themselves.
    """
    return _marker().exists() and Layer.objects.exists()


def load() -> Iterator[Layer]:
    """Unpack the samples into the site's home and put them into the catalogue, one by one.

    A layer of the same id with data of the site's own is left as it is.

    Raises
    ------
    ServiceError
        If a file of the project is damaged.
    """
    unpacked: set[Path] = set()
    for entry in _manifest()["layers"]:
        path = _home() / entry["unpacked_file"]
        known = Layer.objects.filter(pk=entry["id"]).first()
        if known is not None and real_path(known.path) != real_path(path):
            continue
        # Layers that share a shore share a file, for it packs smaller.
        if path not in unpacked:
            _unpack(entry, path)
            unpacked.add(path)
        text = LayerText(
            title=entry["title"],
            description=entry["description"],
            licence=entry["licence"],
            attribution=entry["attribution"],
        )
        area_names = entry.get("area_names")
        yield register(entry["id"], path, entry["layer"], text, area_names=area_names)[0]
    for _ in index_missing():
        pass
    _home().mkdir(parents=True, exist_ok=True)
    _marker().touch()


def file_names() -> set[str]:
    """Return the names that the samples' files have in the site's home."""
    return {entry["unpacked_file"] for entry in _manifest()["layers"]}


def place_in_home(source: str) -> Path | None:
    """Return where in the site's home a sample lies, in whichever home it was; None of others."""
    path = Path(source)
    is_sample = path.parent.name == _home().name and path.name in file_names()
    return _home() / path.name if is_sample else None


def _unpack(entry: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    digest = hashlib.sha256()
    try:
        with lzma.open(_FOLDER / entry["file"]) as packed, partial.open("wb") as unpacked:
            while chunk := packed.read(_CHUNK_BYTES):
                digest.update(chunk)
                unpacked.write(chunk)
    except (lzma.LZMAError, EOFError):
        digest = hashlib.sha256()  # Of nothing: refused below.
    if digest.hexdigest() != entry["unpacked_sha256"]:
        partial.unlink()
        raise ServiceError(
            f"sample {entry['file']} is damaged: its SHA-256 is not the manifest's",
            hint="Take a fresh copy of the project.",
        )
    partial.replace(path)


def _manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / "manifest.json").read_text())
    return content


def _home() -> Path:
    return Path(settings.MARINEMAP_HOME) / "samples"


def _marker() -> Path:
    version = hashlib.sha256((_FOLDER / "manifest.json").read_bytes()).hexdigest()[:12]
    return _home() / f".loaded-{version}"
