"""Files of jobs: what is in use stays, what nobody has any more goes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from marinemap.jobs import artifacts, orphans, runs
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.work_folders import work_folder
from tests.jobs.conftest import begin, finish

pytestmark = pytest.mark.django_db
HOLD_LOCK = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def grow_old(path: Path) -> None:
    """Set a file's time back beyond the grace that young ones have."""
    then = time.time() - 3600
    os.utime(path, (then, then))


@pytest.fixture
def folder() -> Path:
    path = job_settings().work / f"{uuid.uuid4()}-1"
    (path / "files").mkdir(parents=True)
    (path / "files" / "half.shp").write_bytes(b"half")
    (path / ".in-use").touch()
    return path


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder as a run does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(folder / ".in-use")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_folder_that_a_process_holds_is_never_touched(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    grow_old(folder)
    assert orphans.remove_abandoned() == []
    assert (folder / "files" / "half.shp").exists()


def test_folder_of_a_killed_process_goes_after_the_grace(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait(120)
    assert orphans.remove_abandoned() == []
    grow_old(folder)
    assert orphans.remove_abandoned() == [folder.name]
    assert not folder.exists()


def test_folder_without_a_lock_goes_after_the_grace(folder: Path) -> None:
    (folder / ".in-use").unlink()
    assert orphans.remove_abandoned() == []
    grow_old(folder)
    assert orphans.remove_abandoned() == [folder.name]


def test_folder_that_cannot_be_looked_at_holds_up_no_other(folder: Path) -> None:
    odd = folder.parent / f"{uuid.UUID(int=0)}-1"
    (odd / ".in-use").mkdir(parents=True)
    grow_old(odd)
    grow_old(folder)
    assert orphans.remove_abandoned() == [folder.name]
    assert odd.is_dir()


def test_link_in_the_work_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    link = folder.parent / f"{uuid.uuid4()}-1"
    link.symlink_to(tmp_path)
    grow_old(tmp_path)
    assert orphans.remove_abandoned() == []
    assert link.is_symlink() and (tmp_path / "precious").exists()


def test_run_has_an_empty_folder_that_goes_with_it(job: Job) -> None:
    with work_folder(job) as files:
        assert list(files.iterdir()) == []
        (files / "part.shp").touch()
        grow_old(files.parent)
        assert orphans.remove_abandoned() == []
    assert not files.parent.exists()


def test_folder_goes_when_the_run_fails(job: Job) -> None:
    with pytest.raises(RuntimeError), work_folder(job) as files:
        (files / "part.shp").touch()
        raise RuntimeError("no")
    assert not files.parent.exists()


def archive(name: str) -> Path:
    path = job_settings().artifacts / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"zip")
    grow_old(path)
    return path


def test_archives_that_no_job_has_go(job: Job) -> None:
    started = runs.start(job.pk, is_redelivered=False)
    assert started is not None
    lost = [
        archive(f"{uuid.uuid4()}-1.zip"),
        archive(f".{uuid.uuid4()}-1.zip.77.partial"),
        archive(f"{job.pk}-7.zip"),
        archive(f".{job.pk}-7.zip.77.partial"),
    ]
    kept = [archive(f"{job.pk}-1.zip"), archive(f".{job.pk}-1.zip.77.partial")]
    assert set(orphans.remove_orphans()) == {path.name for path in lost}
    assert [path.exists() for path in [*lost, *kept]] == [False] * 4 + [True] * 2


def test_archive_that_goes_while_it_is_looked_at_spoils_no_cleaning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that named its archive, or its owner's DELETE, failed the whole task."""
    going, orphan = archive(f"{uuid.UUID(int=1)}-1.zip"), archive(f"{uuid.UUID(int=2)}-1.zip")
    is_plain = orphans._is_plain

    def look_and_go(file: Path) -> bool:
        found = is_plain(file)
        if file == going:
            file.unlink()
        return found

    monkeypatch.setattr(orphans, "_is_plain", look_and_go)
    assert orphans.remove_orphans() == [orphan.name]


def test_archive_of_a_finished_job_stays(job: Job) -> None:
    path = archive(f"{job.pk}-1.zip")
    Job.objects.update(status="successful", attempt=1, artifact=path.name)
    assert orphans.remove_orphans() == []
    Job.objects.update(artifact="")
    assert orphans.remove_orphans() == [path.name]


def test_young_archive_is_left_alone() -> None:
    path = archive(f"{uuid.uuid4()}-1.zip")
    os.utime(path)
    assert orphans.remove_orphans() == []


def test_cleaning_a_site_without_folders_does_nothing() -> None:
    assert orphans.remove_abandoned() == orphans.remove_orphans() == []


def test_what_others_put_there_stays() -> None:
    """An administrator's zip was removed a minute later, and so was any folder beside the runs'."""
    names = ["my report.zip", "words.txt", ".hidden", f"{'-' * 36}-1.zip", f"{'z' * 36}-1.zip"]
    kept = [archive(name) for name in [*names, f"{uuid.uuid4()}.zip"]]
    folders = [job_settings().work / name for name in ("mine", "a1", "2026-11-23")]
    for folder in folders:
        folder.mkdir(parents=True)
        grow_old(folder)
    assert orphans.remove_orphans() == orphans.remove_abandoned() == []
    assert all(path.exists() for path in [*kept, *folders])


def test_what_is_no_plain_file_is_not_sent(job: Job, tmp_path: Path) -> None:
    """A link was followed, and a pipe held a thread of the web server for ever."""
    done = finish(begin(job))
    archive = artifacts.artifact_path(done)
    secret = tmp_path / "secret"
    secret.write_text("of the service")
    for replace in (lambda: archive.symlink_to(secret), lambda: os.mkfifo(archive), archive.mkdir):
        archive.unlink()
        replace()
        assert artifacts.open_artifact(done) is None
