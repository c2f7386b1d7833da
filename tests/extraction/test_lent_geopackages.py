"""GeoPackages that stay open between pages: what is read is never older than the file."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import describe
from marinemap.extraction.geopackage.lent import Lender
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.sources.source_files import fingerprint
from tests.extraction.layers import write_layer
from tests.extraction.test_odd_sources import changed_in

ALL = (-10.0, -10.0, 10.0, 10.0)
DEADLINE_SECONDS = 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_layer(tmp_path / "sea.gpkg", [shapely.Point(x, 1) for x in range(4)])


def places(source: Path, mark: str | None = None) -> list[float]:
    page = read_page(describe(source), mark or fingerprint(source), Wanted(9, box=ALL))
    return [float(shapely.get_x(at)) for part in page.parts for at in part.geometries]


def use(lender: Lender, source: Path, mark: str = "1") -> int:
    with lender.lent(source, mark) as database:
        database.execute("BEGIN")
        database.execute("PRAGMA schema_version").fetchone()
        return id(database)


def open_files(source: Path) -> int:
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.path.realpath(link) == os.path.realpath(source) for link in links)


def test_open_file_is_lent_again_to_whoever_is_next(source: Path) -> None:
    lender = Lender()
    assert use(lender, source) == use(lender, source)
    assert len(lender) == 1
    with lender.lent(source, "1"), lender.lent(source, "1"):
        # Each has one of its own meanwhile.
        assert open_files(source) >= 2
    lender.close_all()
    assert open_files(source) == 0


def test_what_is_committed_in_between_is_read_under_the_same_mark(source: Path) -> None:
    mark = fingerprint(source)
    assert places(source, mark) == [0, 1, 2, 3]
    changed_in(source, "DELETE FROM sea WHERE fid = 2")
    page = read_page(describe(source), mark, Wanted(9))
    assert [float(shapely.get_x(at)) for part in page.parts for at in part.geometries] == [0, 2, 3]


def test_file_put_in_the_place_of_another_is_read(source: Path, tmp_path: Path) -> None:
    assert places(source) == [0, 1, 2, 3]
    folder = tmp_path / "new"
    folder.mkdir()
    os.replace(write_layer(folder / "sea.gpkg", [shapely.Point(7, 1)]), source)
    assert places(source) == [7]


def test_file_nobody_reads_is_closed_after_a_while(source: Path) -> None:
    lender = Lender(seconds=0.05)
    for _ in range(2):
        use(lender, source)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(lender) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(lender) == 0


def test_no_more_files_stay_open_than_may(source: Path) -> None:
    lender = Lender(most=2)
    for mark in "123":
        use(lender, source, mark)
    assert len(lender) == 2
    lender.close_all()


def test_connection_is_not_lent_again_after_a_failure(source: Path) -> None:
    lender = Lender()
    with pytest.raises(DatasetError), lender.lent(source, "1"):
        raise DatasetError("unreadable")
    with lender.lent(source, "1") as database, pytest.raises(sqlite3.Error):
        # Its transaction never began.
        database.execute("SELECT nothing FROM nowhere")
    assert len(lender) == 0


def test_file_with_a_log_of_writes_is_not_kept_open(source: Path) -> None:
    changed_in(source, "PRAGMA journal_mode = wal")
    lender = Lender()
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("UPDATE sea SET geom = NULL WHERE fid = 1")
        writer.commit()
        use(lender, source)
        assert len(lender) == 0


def test_damaged_index_is_told_as_the_files_fault(source: Path) -> None:
    changed_in(source, "UPDATE rtree_sea_geom_node SET data = zeroblob(4)")
    with pytest.raises(DatasetError, match="spatial index of sea.gpkg cannot be read"):
        places(source)
