"""Results in a bucket: there whole or not at all, waited for, and removed when nobody has them."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs import (
    artifacts,
    checks,
    expiry,
    health,
    lifecycle,
    orphans,
    reuse,
    runs,
    shared_archives,
    site_mark,
    submission,
    tasks,
    watch,
)
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, SiteMark
from marinemap.jobs.owners import Sender
from marinemap.jobs.storage import (
    Bucket,
    StorageAwayError,
    clients,
    looking,
    removing,
    site_bucket,
    uploading,
)
from marinemap.processes.process import RunResult
from tests.jobs.conftest import AREA, OWNER, Messages, begin, finish
from tests.storage_server import FULL, OLD, SECRET_KEY, Gate, make_bucket, storage_at

pytestmark = pytest.mark.django_db
PROJECT = Path(__file__).parents[2]
PIECE = 5 * 1024 * 1024
_LONG = 120.0
UPLOAD = """
import json, sys
from pathlib import Path
import django
django.setup()
from marinemap.jobs.conf import StorageSettings
from marinemap.jobs.storage import Bucket
Bucket(StorageSettings(**json.loads(sys.argv[1])), sys.argv[2]).upload(
    Path(sys.argv[3]), lambda fraction: None
)
"""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of some megabytes sent in pieces: 5 MiB is the least that S3 takes."""
    monkeypatch.setattr(uploading, "_PIECE_BYTES", PIECE)
    monkeypatch.setattr(artifacts, "_SENDS_AGAIN_FOR_SECONDS", 0)


@pytest.fixture
def name() -> str:
    return f"bucket-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def network(storage_server: str) -> Iterator[Gate]:
    found = Gate(storage_server)
    yield found
    found.shut()


@pytest.fixture
def gate(network: Gate) -> Iterator[Gate]:
    yield network
    network.restore()


@pytest.fixture
def all_of_it(storage_server: str, name: str) -> Callable[[], list[str]]:
    """Names of all objects of the bucket, whoever wrote them."""
    client = make_bucket(storage_server, name)

    def look() -> list[str]:
        found = client.list_objects_v2(Bucket=name).get("Contents", [])
        return [each["Key"] for each in found if not each["Key"].endswith("/.in-use")]

    return look


@pytest.fixture
def bucket(settings: Any, gate: Gate, name: str, all_of_it: Any) -> Bucket:
    """The bucket of this site, behind a network that can fail."""
    settings.MARINEMAP_STORAGE = storage_at(gate.endpoint, name)
    assert site_mark.claim() is None
    found = site_bucket()
    assert found is not None
    return found


def ask(reefs: Layer) -> Job:
    inputs = {"layers": ["reefs"], "area": AREA}
    return submission.submit("extract", inputs, Sender(OWNER))


def keep(job: Job, content: bytes = b"zip") -> Job:
    """End a run with an archive, as a run does."""
    artifacts.artifact_path(job).write_bytes(content)
    size_bytes = artifacts.keep_artifact(job, lambda fraction, message: None)
    made = RunResult("Done.", media_type="application/zip", file_name="Récif.zip")
    runs.succeed(job, made, artifact_bytes=size_bytes)
    return Job.objects.get(pk=job.pk)


def first_of_three() -> Job:
    """Return the first of three jobs of the same inputs, done; the others wait."""
    made = [submission.submit("echo", {"message": "hello"}, Sender(OWNER)) for _ in range(3)]
    first = keep(begin(made[0]))
    Job.objects.update(reuse_key="the same")
    first.refresh_from_db()
    return first


def uploaded(bucket: Bucket, folder: Path, count: int) -> list[str]:
    names = sorted(f"{uuid.uuid4()}-1.zip" for _ in range(count))
    for name in names:
        (folder / name).write_bytes(b"zip")
        bucket.upload(folder / name, lambda fraction: None)
    return names


def grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_GRACE_STORED_SECONDS", -5)


def test_run_leaves_its_archive_in_the_bucket_and_none_on_the_disk(
    bucket: Bucket, all_of_it: Callable[[], list[str]], reefs: Layer, eager: None
) -> None:
    job = ask(reefs)
    job.refresh_from_db()
    assert (job.status, job.artifact) == ("successful", f"{job.pk}-1.zip")
    assert all_of_it() == [f"maps/{SiteMark.objects.get().mark}/{job.pk}-1.zip"]
    assert list(job_settings().artifacts.iterdir()) == []
    archive = artifacts.open_artifact(job)
    assert archive is not None
    with archive, zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert job.artifact_bytes == archive.seek(0, os.SEEK_END)


@pytest.mark.parametrize("size", [0, PIECE - 1, PIECE, 2 * PIECE + 7])
def test_file_of_any_size_comes_whole(bucket: Bucket, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "x.zip").write_bytes(content)
    told: list[float] = []
    bucket.upload(tmp_path / "x.zip", told.append)
    opened = bucket.open("x.zip")
    assert opened is not None and opened.read() == content
    opened.seek(-min(size, 1), io.SEEK_END)
    assert opened.read() == content[-1:]
    assert [each.name for each in bucket.unfinished()] == []


@pytest.mark.parametrize("size", [PIECE - 1, 2 * PIECE + 7])
def test_byte_that_changes_on_its_way_is_noticed(
    bucket: Bucket, gate: Gate, all_of_it: Callable[[], list[str]], tmp_path: Path, size: int
) -> None:
    (tmp_path / "x.zip").write_bytes(bytes(size))
    gate.damage_at(PIECE // 2)
    with pytest.raises(StorageAwayError, match="not what was sent"):
        bucket.upload(tmp_path / "x.zip", lambda fraction: None)
    assert all_of_it() == []


def test_tag_of_another_kind_has_the_file_read_back(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of objects that a key of KMS enciphers."""
    path = tmp_path / "x.zip"
    path.write_bytes(os.urandom(PIECE + 7))
    monkeypatch.setattr(uploading, "_etag_of", lambda path, piece_bytes: "another")
    bucket.upload(path, lambda fraction: None)
    # Shorter, longer or another: none is taken for the same.
    content, send = path.read_bytes(), uploading._send
    for other in (content[:-1], content + b"x", content[:-1] + bytes([content[-1] ^ 1])):

        def send_other(*arguments: Any, other: bytes = other) -> None:
            path.write_bytes(other)
            send(*arguments)
            path.write_bytes(content)

        monkeypatch.setattr(uploading, "_send", send_other)
        with pytest.raises(StorageAwayError, match="not what was sent"):
            bucket.upload(path, lambda fraction: None)


def test_cancelled_run_ends_its_upload(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job
) -> None:
    started = begin(job)
    artifacts.artifact_path(started).write_bytes(bytes(3 * PIECE))

    def tell(fraction: float, message: str) -> None:
        raise runs.JobStoppedError("cancelled")

    with pytest.raises(runs.JobStoppedError):
        artifacts.keep_artifact(started, tell)
    assert all_of_it() == list(bucket.unfinished()) == []
    assert list(job_settings().artifacts.iterdir()) == []


def test_run_that_lost_its_job_takes_its_archive_back(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job
) -> None:
    started = begin(job)
    Job.objects.update(attempt=2)
    with pytest.raises(runs.JobStoppedError):
        keep(started)
    assert all_of_it() == []


@pytest.mark.django_db(transaction=True)
def test_storage_that_is_away_is_waited_for_before_the_work(
    bucket: Bucket, gate: Gate, reefs: Layer, messages: Messages
) -> None:
    job = ask(reefs)
    gate.shut()
    assert tasks.run_job(str(job.pk)) == "put off"
    job.refresh_from_db()
    assert (job.status, job.attempt, job.put_off) == ("accepted", 1, 1)
    assert "the storage of results does not answer" in job.message
    gate.open()
    assert tasks.run_job(str(job.pk)) == "successful"


@pytest.mark.django_db(transaction=True)
def test_storage_that_goes_away_amid_the_upload_fails_no_job(
    bucket: Bucket,
    gate: Gate,
    reefs: Layer,
    messages: Messages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = Bucket.upload

    def leave(self: Bucket, *arguments: Any) -> None:
        gate.shut()
        send(self, *arguments)

    monkeypatch.setattr(Bucket, "upload", leave)
    job = ask(reefs)
    assert tasks.run_job(str(job.pk)) == "put off"
    assert list(job_settings().artifacts.iterdir()) == []
    monkeypatch.setattr(Bucket, "upload", send)
    gate.open()
    assert tasks.run_job(str(job.pk)) == "successful"


def test_archive_that_alone_is_refused_is_made_as_often_as_one_that_kills_its_worker(
    bucket: Bucket, storage_server: str, settings: Any, reefs: Layer, messages: Messages
) -> None:
    """A bucket without room takes the empty object that is written before each run."""
    full = f"{FULL}{uuid.uuid4()}"
    make_bucket(storage_server, full)
    settings.MARINEMAP_STORAGE = settings.MARINEMAP_STORAGE | {"bucket": full}
    settings.MARINEMAP_MAX_ATTEMPTS = 2
    job = ask(reefs)
    assert [tasks.run_job(str(job.pk)) for _ in range(2)] == ["put off", "failed"]
    job.refresh_from_db()
    assert (job.attempt, job.put_off) == (2, 0)
    assert "takes a small object but not this archive" in job.message
    assert "the storage of results is full" in job.message


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret_key": "wr0ng-secret", "access_key": "wr0ng"}, "its key is not known"),
        ({"bucket": "nowhere"}, "the bucket of results is not there"),
    ],
    ids=["key", "bucket"],
)
def test_mistake_is_told_in_words_and_no_key_is(
    bucket: Bucket,
    settings: Any,
    reefs: Layer,
    caplog: pytest.LogCaptureFixture,
    changed: dict[str, Any],
    words: str,
) -> None:
    job = ask(reefs)
    settings.MARINEMAP_STORAGE = settings.MARINEMAP_STORAGE | changed
    # As a worker with -l DEBUG; its log had each request with its signature.
    with caplog.at_level(logging.DEBUG):
        assert tasks.run_job(str(job.pk)) == "put off"
    job.refresh_from_db()
    assert words in job.message
    secret = changed.get("secret_key", SECRET_KEY)
    assert secret not in caplog.text + job.message + repr(site_bucket())
    assert "StringToSign" not in caplog.text and "Signature" not in caplog.text


def test_killed_upload_leaves_nothing_to_be_seen_and_nothing_for_ever(
    bucket: Bucket,
    gate: Gate,
    all_of_it: Callable[[], list[str]],
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = begin(job)
    path = artifacts.artifact_path(started)
    # Two of its three pieces have come by then.
    path.write_bytes(bytes(40 * 1024 * 1024))
    gate.hold_after(36 * 1024 * 1024)
    of_it = json.dumps(dataclasses.asdict(bucket.settings))
    sender = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, of_it, bucket.mark, str(path)],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    try:
        assert gate.is_holding.wait(180)
    finally:
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    gate.hold_after(math.inf)
    assert all_of_it() == []
    assert [each.name for each in bucket.unfinished()] == [path.name]
    # Its run is alive, as far as anybody knows.
    assert orphans.remove_orphans() == []
    Job.objects.update(attempt=2)
    assert orphans.remove_orphans() == [f"{path.name}, sent in part"]
    assert list(bucket.unfinished()) == []


def test_archive_goes_with_its_time_or_by_its_owners_hand(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job
) -> None:
    other = submission.submit("echo", {"message": "again"}, Sender(OWNER))
    done, again = keep(begin(job)), keep(begin(other))
    assert len(all_of_it()) == 2
    lifecycle.dismiss(done)
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expiry.expire_artifacts() == [again.artifact]
    assert all_of_it() == []


def test_storage_that_is_away_is_asked_once_a_round_of_removal(
    bucket: Bucket,
    gate: Gate,
    all_of_it: Callable[[], list[str]],
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two hundred results that were over held the schedule until it was ended."""
    again = submission.submit("echo", {"message": "again"}, Sender(OWNER))
    names = {keep(begin(each)).artifact for each in (job, again)}
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    ask_for_it, asked = artifacts.answering_bucket, []

    def watched() -> Bucket | None:
        asked.append(1)
        return ask_for_it()

    monkeypatch.setattr(artifacts, "answering_bucket", watched)
    gate.shut()
    assert set(expiry.expire_artifacts()) == names
    assert len(asked) == 1
    assert not Job.objects.exclude(artifact="").exists()
    gate.open()
    grow_old(monkeypatch)
    assert set(orphans.remove_orphans()) == names
    assert all_of_it() == []


def test_archive_that_could_not_be_removed_is_an_orphan(
    bucket: Bucket,
    gate: Gate,
    all_of_it: Callable[[], list[str]],
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = keep(begin(job))
    gate.shut()
    assert lifecycle.dismiss(done).artifact == ""
    assert orphans.remove_orphans() == []
    gate.open()
    assert orphans.remove_orphans() == []
    grow_old(monkeypatch)
    assert orphans.remove_orphans() == [done.artifact]
    assert all_of_it() == []


@pytest.mark.parametrize(
    ("written", "is_removed"),
    [
        # As where a proxy adds one of its own, or does not know the zone.
        ("Sun, 06 Nov 2044 08:49:37 GMT, Sun, 06 Nov 2044 08:49:37 GMT", True),
        ("Sun, 06 Nov 2044 08:49:37 -0000", True),
        ("2044-11-06T08:49:37Z", False),
    ],
)
def test_time_of_the_storage_is_read_however_it_is_written(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    tmp_path: Path,
    written: str,
    is_removed: bool,
) -> None:
    """The cleaning ended in a TypeError, each time."""
    (name,) = uploaded(bucket, tmp_path, 1)

    def write(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = written

    events = clients.work_client(bucket.settings).meta.events
    events.register("after-call.s3", write)
    try:
        assert orphans.remove_orphans() == [name] * is_removed
    finally:
        events.unregister("after-call.s3", write)
    assert len(all_of_it()) == (not is_removed)


def test_cleaning_leaves_what_others_wrote(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = keep(begin(job))
    lost = tmp_path / f"{uuid.uuid4()}-1.zip"
    lost.write_bytes(b"zip")
    words = tmp_path / "words.zip"
    words.write_bytes(b"somebody's")
    others = dataclasses.replace(bucket, mark=str(uuid.uuid4()))
    for each, path in [(bucket, lost), (bucket, words), (others, lost)]:
        each.upload(path, lambda fraction: None)
    grow_old(monkeypatch)
    assert orphans.remove_orphans() == [lost.name]
    left = [f"{bucket.folder}{done.artifact}", f"{bucket.folder}words.zip"]
    assert sorted(all_of_it()) == sorted([*left, f"{others.folder}{lost.name}"])


def test_archive_from_before_the_bucket_stays_on_the_disk(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job
) -> None:
    done = finish(begin(job), b"from before")
    found = artifacts.open_artifact(done)
    assert found is not None and found.read() == b"from before"
    found.close()
    assert orphans.remove_orphans() == all_of_it() == []
    lifecycle.dismiss(done)
    assert not artifacts.artifact_path(done).exists()


def test_another_job_gets_a_copy_of_its_own(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job
) -> None:
    done = keep(begin(job))
    other = submission.submit("echo", {"message": "again"}, Sender(OWNER))
    copied = shared_archives.give_artifact(done, other, at_once=False)
    assert copied is not None and copied.startswith(f"{other.pk}-0.")
    lifecycle.dismiss(done)
    assert all_of_it() == [f"{bucket.folder}{copied}"]
    assert shared_archives.give_artifact(done, other, at_once=False) is None


def test_two_that_give_a_job_the_same_leave_it_its_archive(
    bucket: Bucket, all_of_it: Callable[[], list[str]], job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a web thread and a worker: the one that comes second removed what the first had copied."""
    done = keep(begin(job))
    other = submission.submit("echo", {"message": "again"}, Sender(OWNER))
    copy, given = Bucket.copy, []

    def overtaken(self: Bucket, *names: str, **options: Any) -> None:
        monkeypatch.setattr(Bucket, "copy", copy)
        given.append(reuse.succeed_by(other, done, at_once=True))
        copy(self, *names, **options)

    monkeypatch.setattr(Bucket, "copy", overtaken)
    assert (reuse.succeed_by(other, done, at_once=True), given) == (False, [True])
    other.refresh_from_db()
    assert sorted(all_of_it()) == sorted(
        f"{bucket.folder}{each.artifact}" for each in (done, other)
    )


@pytest.mark.django_db(transaction=True)
def test_who_asks_is_not_kept_waiting_for_a_large_copy(
    bucket: Bucket, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "key_of", lambda process, kept: "the same")
    asked = ("echo", {"message": "hello"}, Sender(OWNER))
    keep(begin(submission.submit(*asked)))
    Job.objects.update(reuse_key="the same")
    monkeypatch.setattr(shared_archives, "_MOST_AT_ONCE_BYTES", 2)
    second = submission.submit(*asked)
    assert second.status == "accepted"
    # A worker has the time.
    assert reuse.finish_by_another(second.pk)


def test_first_copy_that_fails_is_the_last(
    bucket: Bucket, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of those that waited had the storage's whole time."""
    first = first_of_three()
    copy, tried = Bucket.copy, []

    def fail(self: Bucket, *arguments: Any, **options: Any) -> None:
        tried.append(arguments)
        raise StorageAwayError("the storage of results does not answer")

    monkeypatch.setattr(Bucket, "copy", fail)
    assert reuse.give_to_waiting(first) == 0
    assert len(tried) == 1
    # Each has its own turn, and another try.
    monkeypatch.setattr(Bucket, "copy", copy)
    assert reuse.give_to_waiting(first) == 2


def test_slow_storage_holds_no_worker_with_copies_for_others(
    bucket: Bucket, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred that waited had a worker copy for as long as a storage took for all of them."""
    first = first_of_three()
    monkeypatch.setattr(reuse, "_GIVEN_FOR_SECONDS", 0.0)
    assert reuse.give_to_waiting(first) == 1
    (left,) = Job.objects.filter(status="accepted")
    assert reuse.finish_by_another(left.pk)


def test_slow_storage_holds_no_schedule_with_removals(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = submission.submit("echo", {"message": "again"}, Sender(OWNER))
    names = {keep(begin(each)).artifact for each in (job, again)}
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(expiry, "_ASKED_FOR_SECONDS", 0.0)
    monkeypatch.setattr(removing, "_AT_ONCE", 1)
    assert set(expiry.expire_artifacts()) == names
    assert len(all_of_it()) == 1
    Job.objects.filter(pk=again.pk).update(artifact="")
    lost = keep(begin(submission.submit("echo", {"message": "lost"}, Sender(OWNER))))
    Job.objects.filter(pk=lost.pk).update(artifact="")
    grow_old(monkeypatch)
    monkeypatch.setattr(orphans, "_STORED_FOR_SECONDS", 0.0)
    assert [len(orphans.remove_orphans()) for _ in range(3)] == [1, 1, 0]
    assert all_of_it() == []


@pytest.mark.django_db(transaction=True)
def test_result_is_given_at_once_and_copied_outside_of_transactions(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    messages: Messages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the storage copied, nobody else could write to SQLite."""
    monkeypatch.setattr(submission, "key_of", lambda process, kept: "the same")
    first = submission.submit("echo", {"message": "hello"}, Sender(OWNER))
    keep(begin(first))
    Job.objects.update(reuse_key="the same")
    copy, was_within = Bucket.copy, []

    def watched(self: Bucket, *names: str, **options: Any) -> None:
        was_within.append(connection.in_atomic_block)
        copy(self, *names, **options)

    monkeypatch.setattr(Bucket, "copy", watched)
    second = submission.submit("echo", {"message": "hello"}, Sender(OWNER))
    assert (second.status, second.attempt, was_within) == ("successful", 0, [False])
    assert f"{bucket.folder}{second.artifact}" in all_of_it()
    echo = submission.prepare("echo", {"message": "hello"})
    batch = submission.submit_batch(Sender(OWNER), [echo, echo])
    assert [(each.status, each.attempt) for each in batch] == [("successful", 0)] * 2
    assert was_within == [False] * 3
    Job.objects.update(artifact="gone.zip")
    assert submission.submit("echo", {"message": "hello"}, Sender(OWNER)).status == "accepted"


def test_link_ends_with_the_archive(bucket: Bucket, job: Job) -> None:
    done = keep(begin(job))
    link = artifacts.link_to_stored(done)
    assert link is not None and "X-Amz-Expires=900" in link
    answer = requests.get(link, timeout=120)
    assert (answer.status_code, answer.content) == (200, b"zip")
    done.expires_at = timezone.now() + timedelta(seconds=61)
    assert "X-Amz-Expires=60" in str(artifacts.link_to_stored(done))
    soon = timezone.now() + timedelta(seconds=31)
    assert "X-Amz-Expires=30" in str(artifacts.link_to_stored(done, soon))
    done.expires_at = timezone.now()
    assert artifacts.link_to_stored(done) is None
    over = link.replace("X-Amz-Expires=900", "X-Amz-Expires=0")
    assert requests.get(over, timeout=120).status_code == 403


def test_link_leads_where_people_reach_the_storage(bucket: Bucket, settings: Any, job: Job) -> None:
    done = keep(begin(job))
    settings.MARINEMAP_STORAGE = settings.MARINEMAP_STORAGE | {
        "public_endpoint": "https://files.example.org"
    }
    found = str(artifacts.link_to_stored(done))
    assert found.startswith(f"https://files.example.org/{bucket.settings.bucket}/maps/")


@pytest.mark.django_db(transaction=True)
def test_site_without_its_storage_is_not_ready_and_tells(bucket: Bucket, gate: Gate) -> None:
    assert health.health_of_site()["storage"] == "ok"
    assert not list(watch._away_storage())
    bucket_of = dataclasses.replace(bucket.settings, link_seconds=60.0)
    gate.shut()
    with override_settings(MARINEMAP_STORAGE=dataclasses.asdict(bucket_of)):
        found = health.health_of_site()
        assert found["storage"] == "the storage of results does not answer"
        assert [words for _, words in watch._away_storage()] != []


def test_loading_the_client_is_not_taken_for_a_storage_that_is_away(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it took longer than the storage may take to answer."""
    made_in = []

    def watched(settings: Any) -> Any:
        made_in.append(threading.current_thread())
        return clients.look_client(settings)

    monkeypatch.setattr(looking, "look_client", watched)
    assert looking.trouble_of(looking.begin_look(), _LONG) is None
    # By whoever asks, before the time of the look begins.
    assert made_in[0] is threading.current_thread()


def test_site_on_the_disk_says_nothing_of_a_storage(db: None) -> None:
    assert "storage" not in health.health_of_site()


def test_links_that_no_browser_follows_are_told(settings: Any) -> None:
    settings.MARINEMAP_HTTPS = True
    settings.MARINEMAP_STORAGE = storage_at("http://10.0.0.7:9000", "maps")
    assert "marinemap.E009" in [each.id for each in checks.check_public()]
    settings.MARINEMAP_STORAGE |= {"public_endpoint": "https://files.example.org"}
    assert "marinemap.E009" not in [each.id for each in checks.check_public()]


def test_cleaning_takes_many_in_turns(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = uploaded(bucket, tmp_path, 3)
    grow_old(monkeypatch)
    monkeypatch.setattr(orphans, "_MOST_STORED", 2)
    assert [orphans.remove_orphans() for _ in range(3)] == [names[:2], names[2:], []]


def test_many_are_removed_in_one_request(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = uploaded(bucket, tmp_path, 5)
    asked: list[str] = []
    events = clients.look_client(bucket.settings).meta.events
    events.register("before-call.s3", lambda model, **_: asked.append(model.name), "count")
    try:
        grow_old(monkeypatch)
        assert sorted(orphans.remove_orphans()) == names
    finally:
        events.unregister("before-call.s3", unique_id="count")
    assert all_of_it() == []
    assert [name for name in asked if name.startswith("Delete")] == ["DeleteObjects"]


@pytest.mark.parametrize("name", [f"{OLD}bucket"])
def test_storage_that_knows_no_such_request_is_asked_for_each(
    bucket: Bucket,
    all_of_it: Callable[[], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = uploaded(bucket, tmp_path, 3)
    grow_old(monkeypatch)
    assert sorted(orphans.remove_orphans()) == names
    assert all_of_it() == []


def test_missing_client_is_told_at_the_start(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert not [each for each in checks.check_settings() if each.id == "marinemap.E008"]
    settings.MARINEMAP_STORAGE = storage_at("", "maps")
    (found,) = [each for each in checks.check_settings() if each.id == "marinemap.E008"]
    assert "storages and boto3" in found.msg and "pip install '.[s3]'" in str(found.hint)
