"""A layer is drawn by itself, beside the worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.running_site import RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_added_layers_are_drawn_while_the_worker_runs(
    make_site: Callable[..., RunningSite], marine_gpkg: Path
) -> None:
    site = make_site()
    site.start_web()
    site.start_worker("-B")

    def waiting() -> list[str]:
        answer = requests.get(f"{site.base}/api/collections", timeout=30).json()
        return [layer["id"] for layer in answer["collections"] if "drawing" in layer]

    assert set(waiting()) <= {"reefs", "coastline", "ports"}
    wait_for(lambda: not waiting(), "the drawing of three layers")
    site.manage("addlayer", "more", marine_gpkg, "--layer", "reefs")
    wait_for(lambda: not waiting(), "the drawing of a layer that was added")
