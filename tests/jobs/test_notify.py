"""Callbacks: told once the state is reached, again until it is taken, and never inward."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from marinemap.errors import RequestError, ServiceError
from marinemap.jobs import egress, lifecycle, notify, runs, submission
from marinemap.jobs.models import Callback, Job
from marinemap.jobs.notify import EVENTS, Subscriber
from marinemap.jobs.owners import Sender
from marinemap.jobs.periodic import call_back, clean_up_temp_files, requeue_stalled_jobs
from marinemap.jobs.states import JobStatus
from marinemap.jobs.tasks import run_job
from tests.api.standards import check_process_schema
from tests.jobs.conftest import OWNER, begin
from tests.running_site import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("posts")]


class Receiver:
    def __init__(self, notes: Path) -> None:
        self._notes = notes
        command = [sys.executable, "-m", "tests.jobs.receiver", str(notes)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.base = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def told(self) -> list[dict[str, Any]]:
        text = self._notes.read_text() if self._notes.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def receiver(tmp_path: Path, settings: Any) -> Iterator[Receiver]:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    found = Receiver(tmp_path / "notes")
    yield found
    found.stop()


@pytest.fixture
def submit(receiver: Receiver) -> Callable[..., Job]:
    """Submit a job whose states are told to the receiver, which answers with a status."""

    def make(answer: int = 200, message: str = "hello") -> Job:
        addresses = {
            status: f"{receiver.base}/{status}/{answer}"
            for status in (JobStatus.SUCCESSFUL, JobStatus.RUNNING, JobStatus.FAILED)
        }
        subscriber = Subscriber(addresses, "http://maps.example/api/")
        return submission.submit("echo", {"message": message}, Sender(OWNER), subscriber=subscriber)

    return make


@pytest.mark.parametrize("how", ["job", "batch"])
def test_addresses_of_a_cancelled_job_are_forgotten(how: str) -> None:
    addresses = dict.fromkeys(EVENTS.values(), "https://example.org/?key=1")
    subscriber = Subscriber(addresses, "http://maps.example/api/")
    asked = submission.prepare("echo", {"message": "x"}, subscriber=subscriber)
    jobs = submission.submit_batch(Sender(OWNER), [asked, asked], subscriber=subscriber)
    begin(jobs[1])
    if how == "batch":
        lifecycle.dismiss_batch(jobs[0].batch)
    else:
        lifecycle.dismiss(jobs[0])
        lifecycle.cancel(jobs[1])
    # The end of the batch is told.
    kept = Callback.objects.values_list("is_of_batch", flat=True)
    assert list(kept) == [True] * len(EVENTS)


def test_receiver_is_told_what_became_of_a_job(
    submit: Callable[..., Job], receiver: Receiver
) -> None:
    job = submit()
    assert notify.tell_due() == []
    run_job.apply(args=[str(job.pk)]).get()
    assert len(notify.tell_due()) == 2
    by_path = {told["path"]: told for told in receiver.told()}
    assert set(by_path) == {"/running/200", "/successful/200"}
    assert by_path["/successful/200"]["body"] == {"message": "hello", "pause": 0}
    # It is done by then: of what was, nothing is told that came later.
    running = by_path["/running/200"]["body"]
    assert running["status"] == "running" and "started" in running
    assert not {"finished", "progress", "message"} & set(running)
    check_process_schema("statusInfo", by_path["/running/200"]["body"])
    assert {told["type"] for told in by_path.values()} == {"application/json"}
    # Once told, never again.
    assert notify.tell_due() == []


def test_key_in_an_address_stays_out_of_the_log(job: Job, receiver: Receiver) -> None:
    uri = f"{receiver.base}/taken?key=secret/200"
    Subscriber({JobStatus.RUNNING: uri}, "http://maps.example/api/").callbacks(job)[0].save()
    notify.announce(job, JobStatus.RUNNING)
    (told,) = notify.tell_due()
    assert told == f"job {job.pk} is running: 127.0.0.1 was told"
    assert receiver.told()[0]["path"] == "/taken?key=secret/200"


def test_process_that_stood_still_tells_once_and_goes_on(
    submit: Callable[..., Job], receiver: Receiver
) -> None:
    for _ in range(2):
        begin(submit())
    begun = notify._begin_due([])
    assert len(begun) == 2
    # As for a machine that slept for longer than the lease, amid both posts.
    Callback.objects.filter(pk__in=begun).update(due_at=timezone.now() - timedelta(minutes=1))
    assert notify._begin_due([]) == set()
    told: list[str] = []
    while len(told) < 2:
        told += notify._settle_ended(60)
    assert all(each.endswith("was told") for each in told)
    assert not any(number in notify._posts for number in begun)


def test_failed_job_is_told(submit: Callable[..., Job], receiver: Receiver) -> None:
    job = runs.start(submit().pk, is_redelivered=False)
    assert job
    runs.fail(job, ServiceError("it broke"))
    notify.tell_due()
    told = {each["path"]: each["body"] for each in receiver.told()}
    assert (told["/failed/200"]["status"], told["/failed/200"]["message"]) == ("failed", "it broke")
    assert "/successful/200" not in told


def test_batch_is_told_once_and_when_all_of_it_has_ended(receiver: Receiver) -> None:
    def batch(*ends: JobStatus) -> list[Job]:
        prepared = [submission.prepare("echo", {"message": str(n)}) for n in range(2)]
        addresses = {end: f"{receiver.base}/{end}/200" for end in ends}
        subscriber = Subscriber(addresses, "http://maps.example/api/")
        return submission.submit_batch(Sender(OWNER), prepared, subscriber=subscriber)

    both = (JobStatus.SUCCESSFUL, JobStatus.FAILED)
    first, second = batch(*both)
    run_job.apply(args=[str(first.pk)]).get()
    assert notify.tell_due() == []
    run_job.apply(args=[str(second.pk)]).get()
    (told,) = notify.tell_due()
    assert told == f"batch {first.batch} is successful: 127.0.0.1 was told"
    (post,) = receiver.told()
    assert post["path"] == "/successful/200"
    assert post["headers"]["webhook-signature"]
    assert post["body"] == {
        "success": True,
        "ids": [str(first.pk), str(second.pk)],
        "operation": "echo",
        "error": None,
        "description": "2 of 2 requests are done.",
        "links": [
            {
                "href": f"http://maps.example/api/batches/{first.batch}",
                "rel": "monitor",
                "type": "application/json",
            }
        ],
    }
    assert notify.tell_due() == []
    for ends in (both, (JobStatus.SUCCESSFUL,)):
        done, cancelled = batch(*ends)
        lifecycle.dismiss(cancelled)
        run_job.apply(args=[str(done.pk)]).get()
        notify.tell_due()
    # Of the last one nobody wanted to know that it was not successful.
    (_, post) = receiver.told()
    assert post["path"] == "/failed/200"
    body = post["body"]
    assert (body["success"], body["error"]) == (False, "Cancelled.")
    assert body["description"] == "1 of 2 requests are done."
    assert not Callback.objects.exists()


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_receiver_that_does_not_take_it_is_told_again_later(
    submit: Callable[..., Job], receiver: Receiver, answer: int
) -> None:
    job = submit(answer)
    run_job.apply(args=[str(job.pk)]).get()
    notify.tell_due()
    assert len(receiver.told()) == 2
    assert notify.tell_due() == []
    due = Callback.objects.filter(status="successful").get()
    assert timezone.now() < due.due_at <= timezone.now() + timedelta(seconds=11)
    Callback.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    notify.tell_due()
    assert len(receiver.told()) == 4
    # A redirect leads nowhere.
    assert not any("redirected" in told["path"] for told in receiver.told())


def test_what_a_clock_that_was_ahead_put_off_is_told(
    submit: Callable[..., Job], receiver: Receiver
) -> None:
    job = submit()
    run_job.apply(args=[str(job.pk)]).get()
    ahead = timezone.now() + timedelta(days=10)
    Callback.objects.filter(due_at__isnull=False).update(due_at=ahead)
    told: list[str] = []
    wait_for(lambda: told.extend(notify.tell_due()) or len(told) == 2, "both")
    assert len(receiver.told()) == 2


def test_receiver_that_answers_gone_is_told_no_more(
    submit: Callable[..., Job], receiver: Receiver
) -> None:
    waiting = submit(410)
    run_job.apply(args=[str(submit(410).pk)]).get()
    assert sorted(told.rpartition(" wants ")[2] for told in notify.tell_due()) == 2 * [
        "to be told no more (410)"
    ]
    assert len(receiver.told()) == 2
    assert [each.status for each in Callback.objects.all()] == ["failed"]
    run_job.apply(args=[str(waiting.pk)]).get()
    assert notify.tell_due() == []


def test_receiver_that_is_gone_is_given_up_at_last(submit: Callable[..., Job]) -> None:
    job = submit()
    Callback.objects.filter(job=job).update(uri="http://127.0.0.1:9/", attempts=31)
    run_job.apply(args=[str(job.pk)]).get()
    then = timezone.now() - timedelta(hours=23, minutes=30)
    Callback.objects.filter(due_at__isnull=False).update(reached_at=then)
    assert ["given up" in told for told in notify.tell_due()] == [True, True]
    assert not Callback.objects.filter(due_at__isnull=False).exists()


def test_pauses_grow_to_an_hour(submit: Callable[..., Job]) -> None:
    run_job.apply(args=[str(submit(500).pk)]).get()
    for n in range(12):
        before = timezone.now()
        Callback.objects.filter(due_at__isnull=False).update(due_at=before)
        notify.tell_due()
        due_at = Callback.objects.get(status="successful").due_at
        pause = timedelta(seconds=min(10 * 2**n, 3600))
        assert before <= due_at - pause <= timezone.now()


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rounds as they are, and receivers that are mute for longer than a test."""
    monkeypatch.setattr(notify, "_ROUND_SECONDS", 1.0)
    monkeypatch.setattr(egress, "_STEP_SECONDS", 120.0)
    monkeypatch.setattr(egress, "_ALL_SECONDS", 120.0)


def test_mute_receivers_hold_up_neither_others_nor_other_tasks(
    submit: Callable[..., Job], receiver: Receiver, short_rounds: None
) -> None:
    """As the caretaker runs them, one after the other."""
    with contextlib.ExitStack() as stack:
        for last in range(2, 12):
            mute = stack.enter_context(socket.create_server((f"127.0.0.{last}", 0)))
            _tell_a_state_to(f"http://127.0.0.{last}:{mute.getsockname()[1]}/")
        run_job.apply(args=[str(submit().pk)]).get()
        rounds = 0
        while rounds < 2 or len(receiver.told()) < 2:
            call_back.apply().get()
            requeue_stalled_jobs.apply().get()
            clean_up_temp_files.apply().get()
            rounds += 1
        # Nobody has waited for those.
        assert notify._posts.under_way.total() == 10
    assert Callback.objects.filter(due_at__gt=timezone.now()).count() == 10


def test_host_with_many_that_are_due_leaves_room_for_another(
    submit: Callable[..., Job], receiver: Receiver, short_rounds: None
) -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=200) as mute:
        for _ in range(150):
            _tell_a_state_to(f"http://127.0.0.2:{mute.getsockname()[1]}/")
        run_job.apply(args=[str(submit().pk)]).get()
        wait_for(lambda: (notify.tell_due(), len(receiver.told()) == 2)[1], "that it is told")
        assert Callback.objects.filter(attempts=1).count() <= 4


def test_those_who_are_slow_are_settled_by_a_later_round(
    receiver: Receiver, short_rounds: None
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as mute:
        _tell_a_state_to(f"http://127.0.0.2:{mute.getsockname()[1]}/")
        assert notify.tell_due() == []
        mute.accept()[0].close()
        told = wait_for(notify.tell_due, "a round that settles it")
        assert "tried again in 10 s" in told[0]


def test_what_cannot_be_told_does_not_keep_others_from_it(
    submit: Callable[..., Job], receiver: Receiver
) -> None:
    unknown = submit()
    run_job.apply(args=[str(unknown.pk)]).get()
    Job.objects.filter(pk=unknown.pk).update(process_id="gone", has_outputs=False)
    Callback.objects.filter(job=unknown, status="running").delete()
    run_job.apply(args=[str(submit().pk)]).get()
    told = notify.tell_due()
    assert [each for each in told if "nothing can be told" in each]
    assert len(receiver.told()) == 2


def test_name_that_is_looked_up_for_long_is_not_waited_for(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver is faked: it stands for a network that is not ours."""
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    answered = threading.Event()
    asked: list[Any] = []

    def never(*at: Any, **_: Any) -> Any:
        asked.append(at)
        answered.wait(120)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(egress, "_STEP_SECONDS", 0.2)
    monkeypatch.setattr(egress, "_looking_up", threading.BoundedSemaphore(2))
    try:
        for why in ("not found within", "not found within", "other names take too long"):
            with pytest.raises(OSError, match=why):
                egress.post_json("http://slow.example/", b"{}")
    finally:
        answered.set()
    assert len(asked) == 2


def _tell_a_state_to(uri: str) -> None:
    """Let a state of a job be due to be told."""
    job = Job.objects.create(process_id="echo", owner=OWNER, status=JobStatus.RUNNING)
    Subscriber({JobStatus.RUNNING: uri}, "http://maps.example/api/").callbacks(job)[0].save()
    notify.announce(job, JobStatus.RUNNING)


def test_one_of_two_tells(submit: Callable[..., Job], receiver: Receiver) -> None:
    job = submit()
    run_job.apply(args=[str(job.pk)]).get()
    (first, second) = (Callback.objects.get(status="successful") for _ in range(2))
    assert [notify._outbox.take(each) for each in (first, second)] == [True, False]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:7f00:1::1]/",
        "http://[::127.0.0.1]/",
        "http://[fec0::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1:8080/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://100.64.0.1/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http:///x",
        "http://user:secret@example.org/",
        "http://example.org/ x",
        "http://example.org/\r\nX: y",
        "http://exa\u0301mple.org/",
        "http://example.org:99999/",
        "http://[::1",
        "http://a..b/",
        "https://.example.org/",
        f"http://{'a' * 64}.org/",
        f"http://{'a.' * 127}org/",
        "http://example.org/" + "x" * 2000,
        7,
    ],
)
def test_address_that_leads_inward_is_refused(uri: Any) -> None:
    with pytest.raises(RequestError) as caught:
        egress.check_uri(uri, "successUri")
    assert caught.value.field == "successUri"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_name_that_leads_inward_is_not_called(host: str, receiver: Receiver, settings: Any) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = False
    port = receiver.base.rpartition(":")[2]
    with pytest.raises(OSError, match="private network"):
        egress.post_json(f"http://{host}:{port}/x/200", b"{}")
    assert receiver.told() == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_receiver_that_answers_byte_by_byte_is_cut_off(
    settings: Any, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    monkeypatch.setattr(egress, "_ALL_SECONDS", 1.0)
    # Of TLS the head of a record of 16 kB, and a byte of it at a time.
    first, more = {
        "http": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        "https": (b"\x16\x03\x03\x40\x00\x02", b"\x00"),
    }[scheme]
    drip = (
        "import socket,time; s=socket.create_server(('127.0.0.1',0));"
        f"print(s.getsockname()[1],flush=True); c,_=s.accept(); c.sendall({first!r});"
        f"\nfor _ in range(200): c.sendall({more!r}); time.sleep(0.3)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", drip], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout
        # What it said before counts.
        with contextlib.suppress(OSError):
            egress.post_json(f"{scheme}://127.0.0.1:{int(server.stdout.readline())}/", b"{}")
        assert server.poll() is None, "it was heard to its end"
    finally:
        server.kill()
        server.communicate()


def test_mute_receiver_is_not_waited_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    monkeypatch.setattr(egress, "_STEP_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(OSError):
        egress.post_json(f"http://127.0.0.1:{mute.getsockname()[1]}/", b"{}")
