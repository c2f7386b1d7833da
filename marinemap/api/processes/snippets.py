"""A request as a person would send it from a shell, from Python and with GDAL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from marinemap.api.identity import viewer_of
from marinemap.catalogue.models import Layer
from marinemap.processes.process import Process

_AREA = [5.0, 42.0, 10.0, 45.0]
_PYTHON = """import time, requests

answer = requests.post({address!r},
                       json={body})
answer.raise_for_status()
job = answer.headers["Location"]
while requests.get(job).json()["status"] in ("accepted", "running"):
    time.sleep(1)
open({file!r}, "wb").write(requests.get(job + "/results").content)"""
_PYTHON_AT_ONCE = """import requests

answer = requests.post({address!r},
                       json={body})
print(answer.json())"""


def snippets(request: HttpRequest, process: Process) -> dict[str, str]:
    """Return a request of a process by curl and Python, and by ogr2ogr where it reads a layer."""
    layer = Layer.objects.visible_to(viewer_of(request)).first() if process.layers else None
    if process.layers and layer is None:
        return {}
    body = {"inputs": _inputs(process, layer)}
    address = request.build_absolute_uri(reverse("api:execution", args=[process.id]))
    found = {"curl": _curl(process, address, body), "Python": _python(process, address, body)}
    if layer is not None:
        root = request.build_absolute_uri(reverse("api:landing")).rstrip("/")
        box = " ".join(f"{edge:g}" for edge in _area(layer))
        found["ogr2ogr"] = (
            f"ogr2ogr -f GPKG {layer.pk}.gpkg OAPIF:{root} {layer.pk} -spat {box} -clipsrc {box}"
        )
    return found


def _inputs(process: Process, layer: Layer | None) -> Mapping[str, Any]:
    if layer is None:
        return {name: "Hello" for name, at in process.inputs.items() if at.get("minOccurs", 1)}
    return {"layers": [layer.pk], "area": _area(layer)}


def _area(layer: Layer) -> list[float]:
    """Return the middle of a layer, a third of it wide."""
    if layer.bounds_4326 is None or layer.bounds_4326[0] > layer.bounds_4326[2]:
        return _AREA
    west, south, east, north = layer.bounds_4326
    wide, high = (east - west) / 3, (north - south) / 3
    return [round(edge, 3) for edge in (west + wide, south + high, east - wide, north - high)]


def _curl(process: Process, address: str, body: Mapping[str, Any]) -> str:
    sent = json.dumps(body)
    lines = [f"curl -s {address}", "-H 'Content-Type: application/json'"]
    if process.file_media_type:
        lines += ["-H 'Prefer: respond-sync'", f"-o {process.id}{process.file_suffix}"]
    return " \\\n  ".join([*lines, f"-d '{sent}'"])


def _python(process: Process, address: str, body: Mapping[str, Any]) -> str:
    template = _PYTHON if process.file_media_type else _PYTHON_AT_ONCE
    file = f"{process.id}{process.file_suffix}"
    return template.format(address=address, body=body, file=file)
