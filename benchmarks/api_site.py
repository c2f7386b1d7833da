"""The site that the API is measured on: a layer of a million points, and a million jobs."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from benchmarks.sites import BATCH, batch, places, write_layer

# How many jobs the site has, and how many of them come from one network address.
JOBS = 1_000_000
_EACH_ADDRESS = 100


def make_points(path: Path, features: int) -> Path:
    """Make a GeoPackage of points with six attributes."""
    return write_layer(path, _points(features), "Point")


def make_geojson(path: Path, features: int) -> Path:
    """Make the same layer as GeoJSON, which pygeoapi keeps in memory."""
    layer = make_points(path.with_suffix(".gpkg"), features)
    meta, table = pyogrio.read_arrow(layer)
    pyogrio.write_arrow(
        table,
        path,
        driver="GeoJSON",
        geometry_type=meta["geometry_type"],
        geometry_name=meta["geometry_name"] or "wkb_geometry",
        crs=meta["crs"],
    )
    return path


def submit(base: str) -> str:
    """Ask for a job that no worker will take; return its id."""
    body = json.dumps({"inputs": {"message": "benchmark"}}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    order = urllib.request.Request(f"{base}/api/processes/echo/execution", body, headers)
    with urllib.request.urlopen(order, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return str(found["jobID"])


def finish(database: Path, job: str) -> None:
    """Let a job have ended, a minute after it was asked for."""
    ended = (
        "UPDATE jobs_job SET status = 'successful', progress = 100, attempt = 1, "
        "has_outputs = 1, message = 'Done.', started_at = created_at, finished_at = created_at "
        "WHERE id = ?"
    )
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute(ended, [job.replace("-", "")])


def multiply(database: Path, job: str, count: int) -> None:
    """Let there be so many jobs like one that has ended, of other people."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs_job)")]
        others = {
            "id": "lower(hex(randomblob(16)))",
            "owner": f"'browser:' || (number / {_EACH_ADDRESS})",
            "address": f"'address:' || (number / {_EACH_ADDRESS})",
            "created_at": "datetime(created_at, '-' || (number * 30) || ' seconds')",
        }
        chosen = ", ".join(others.get(name, f'"{name}"') for name in columns)
        named = ", ".join(f'"{name}"' for name in columns)
        connection.execute(
            "WITH RECURSIVE numbers(number) AS "
            "(SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            f"INSERT INTO jobs_job ({named}) SELECT {chosen} FROM jobs_job, numbers WHERE id = ?",
            [count, job.replace("-", "")],
        )
        connection.execute("ANALYZE")


def _points(features: int) -> Iterator[Any]:
    random = np.random.default_rng(5)
    for first in range(0, features, BATCH):
        ids = np.arange(first, min(first + BATCH, features))
        x, y = places(random, len(ids))
        yield batch(random, ids, shapely.points(x[:, 0], y[:, 0]))
