"""Letters to people: asked for with a request, sent by a real server, stopped by their reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.db.models import JSONField, Value
from django.test import Client
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs import correspondence, expiry
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, LetterWish
from marinemap.jobs.periodic import remove_expired_artifacts, send_letters
from marinemap.mail import sending
from marinemap.mail.letters import write
from marinemap.mail.models import Letter, Recipient
from tests.api.conftest import AREA, Post, run
from tests.api.standards import check_process_schema
from tests.api.test_jobs import assert_problem
from tests.mail_server import MailServer
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ANN = "ann@example.org"
INPUTS = {"layers": ["reefs"], "area": AREA}
ASKED: dict[str, Any] = {"inputs": INPUTS, "notify": {"email": ANN}}

NewClient = Callable[..., Client]
Letters = Callable[[int], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def anyone(settings: Any) -> None:
    settings.MARINEMAP_LETTERS = "anyone"


@pytest.fixture
def letters(tmp_path: Path, settings: Any) -> Iterator[Letters]:
    """Send what is due; return the letters that the server has, once there are so many."""
    server = MailServer(tmp_path)
    settings.EMAIL_BACKEND = "marinemap.mail.backend.Backend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port

    def sent(count: int) -> list[dict[str, Any]]:
        send_letters.apply().get()
        wait_for(lambda: not Letter.objects.exists(), "that all is sent")
        found = server.letters()
        assert len(found) == count, found
        return found

    yield sent
    server.stop()
    wait_for(lambda: not (sending._sender and sending._sender.is_alive()), "the sender's end")


def ask(post: Post, client: Client, language: str = "", **more: Any) -> str:
    answer = post(
        client, {**ASKED, **more}, headers={"Accept-Language": language} if language else {}
    )
    assert answer.status_code == 201, answer.content
    check_process_schema("statusInfo", answer.json())
    return str(answer.json()["jobID"])


def test_person_is_written_to_when_it_is_done_and_before_it_expires(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    job_id = ask(post, new_client())
    letters(0)
    run(job_id)
    (letter,) = letters(1)
    assert (letter["to"], letter["subject"]) == (ANN, "Your request is done")
    assert f"http://testserver/api/jobs/{job_id}" in letter["text"]
    assert reefs.title in letter["text"] and " MB" in letter["text"]
    stop = re.search(r"http://testserver/api/letters/[0-9a-f]{64}", letter["text"])
    assert stop and letter["headers"]["list-unsubscribe"] == f"<{stop[0]}>"
    assert letter["headers"]["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    # Six days later.
    Job.objects.update(expires_at=timezone.now() + timedelta(hours=23))
    _, letter = letters(2)
    assert letter["subject"].startswith("Your files are removed on ")
    letters(2)


def test_letter_that_cannot_be_written_holds_up_no_other(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    run(post(new_client(), ASKED).json()["jobID"])
    # As a row that was damaged.
    Job.objects.update(layers=Value(None, JSONField()))
    write(["bob@example.org"], "A worker is missing", "It is.")
    with pytest.raises(TypeError):
        letters(1)
    wait_for(lambda: not Letter.objects.exists(), "that all is sent")


def test_renewed_files_are_told_of_again(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    run(ask(post, new_client()))
    letters(1)
    soon = timezone.now() + timedelta(hours=1)
    Job.objects.update(expires_at=soon)
    letters(2)
    expiry.renew(Job.objects.get())
    letters(2)
    LetterWish.objects.update(expiry_told=timezone.now() - timedelta(days=1))
    Job.objects.update(expires_at=soon)
    letters(3)


def test_letter_is_in_the_language_of_the_reader(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    run(ask(post, new_client(), "fr, de-AT;q=0.8, en;q=0.5"))
    (letter,) = letters(1)
    assert letter["subject"] == "Ihre Anfrage ist fertig"
    assert "öffnet" in letter["text"] and not re.search(r"\b(the|your)\b", letter["text"])
    run(ask(post, new_client(), "de", notify={"email": ANN, "language": "en"}))
    assert letters(2)[1]["subject"] == "Your request is done"


def test_failure_is_told_without_words_of_the_request(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters, marine_gpkg: Path
) -> None:
    spam = "buy-now.example/cheap"
    body = {**ASKED, "id": spam, "inputs": {**INPUTS, "filter": f"name = '{spam}'"}}
    answer = post(new_client(), body, headers={"X-Request-ID": "buy-now.example"})
    assert answer.status_code == 201, answer.content
    job_id = answer.json()["jobID"]
    Layer.objects.update(source=str(marine_gpkg.parent / "gone.gpkg"))
    assert run(job_id).status == "failed"
    (letter,) = letters(1)
    assert letter["subject"] == "Your request has failed"
    assert "buy-now" not in json.dumps(letter)


def test_batch_is_told_once_when_all_of_it_has_ended(
    new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    requests = [{"process": "extract", "inputs": INPUTS}] * 3
    body = {"requests": requests, "notify": {"email": ANN}}
    answer = new_client().post("/api/batches", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    ids = [job["jobID"] for job in answer.json()["jobs"]]
    for job_id in ids[::-1]:
        letters(0)
        run(job_id)
    (letter,) = letters(1)
    assert letter["subject"] == "Your 3 requests are done"
    assert f"/api/batches/{answer.json()['batchID']}" in letter["text"]
    Job.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    letters(2)


def test_who_cancels_gets_no_letter(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    client = new_client()
    job_id = ask(post, client)
    assert client.delete(f"/api/jobs/{job_id}").status_code == 200
    letters(0)
    assert LetterWish.objects.get().recipient == ""


def test_address_is_forgotten_with_the_files(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    run(ask(post, new_client()))
    letters(1)
    correspondence.forget_over()
    assert LetterWish.objects.get().recipient == ANN
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    remove_expired_artifacts.apply().get()
    assert LetterWish.objects.get().recipient == ""


def test_reader_stops_letters_and_has_them_again(
    post: Post, new_client: NewClient, reefs: Layer, letters: Letters
) -> None:
    run(ask(post, new_client()))
    (letter,) = letters(1)
    link = letter["headers"]["list-unsubscribe"].strip("<>").removeprefix("http://testserver")
    browser = new_client({"Accept": "text/html"})
    page = browser.get(link)
    assert b"<button>Send me no more letters</button>" in page.content
    assert page.headers["Referrer-Policy"] == "no-referrer"
    # What looked at it changed nothing.
    assert new_client().get(link).json()["letters"] == "sent"
    waiting = ask(post, new_client())
    # As a mail program's own button sends it, from anywhere (RFC 8058).
    one_click = new_client({"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"})
    answer = one_click.post(link, {"List-Unsubscribe": "One-Click"})
    assert answer.json()["letters"] == "stopped"
    run(waiting)
    letters(1)
    refused = post(new_client(), {**ASKED, "notify": {"email": "Ann+x@EXAMPLE.org"}})
    assert refused.status_code == 400 and refused.json()["field"] == "notify.email"
    assert browser.post(f"{link}?letters=sent").status_code == 200
    run(ask(post, new_client()))
    letters(2)


def test_key_with_a_nul_is_no_key(new_client: NewClient) -> None:
    for ask in (new_client().get, new_client().post):
        assert_problem(ask("/api/letters/%00"), 404)


def test_nobody_but_the_reader_has_the_key(new_client: NewClient, settings: Any) -> None:
    assert new_client().get(f"/api/letters/{'0' * 64}").status_code == 404
    assert new_client().post("/api/letters/%00").status_code == 404
    assert not Recipient.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "ann@localhost",
        "ann@example.org\r\nBcc: all@example.org",
        "ann@example.org,bob@example.org",
        "ann@example.org, bob@example.org",
        "Ann <ann@example.org>",
        '"a\nb"@example.org',
        '"ann"@example.org',
        "ann@[127.0.0.1]",
        "änn@example.org",
        "ann@example.org\0",
        "ann@" + "x" * 70 + ".org",
        "a" * 245 + "@example.org",
        " ann@example.org",
        "",
    ],
)
def test_what_is_not_one_address_is_refused(
    post: Post, new_client: NewClient, reefs: Layer, address: str
) -> None:
    answer = post(new_client(), {**ASKED, "notify": {"email": address}})
    assert answer.status_code == 400, answer.content
    assert answer.json()["field"] == "notify.email"
    assert not Job.objects.exists() and not LetterWish.objects.exists()


def test_address_of_another_script_is_written_to_by_its_name_for_servers(
    post: Post, new_client: NewClient, reefs: Layer
) -> None:
    answer = post(new_client(), {**ASKED, "notify": {"email": "ann@bücher.example"}})
    assert answer.status_code == 201
    assert LetterWish.objects.get().recipient == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("notify", "field"),
    [
        ({}, "notify"),
        ({"email": ANN, "language": "fr"}, "notify.language"),
        ({"email": ANN, "subject": "x"}, "notify.subject"),
        ("ann@example.org", "notify"),
        ({"email": [ANN]}, "notify.email"),
    ],
)
def test_wish_is_checked_as_it_is_declared(
    post: Post, new_client: NewClient, reefs: Layer, notify: Any, field: str
) -> None:
    answer = post(new_client(), {**ASKED, "notify": notify})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_letters_of_a_day_are_limited(
    post: Post, new_client: NewClient, reefs: Layer, settings: Any
) -> None:
    settings.MARINEMAP_MAX_LETTERS_DAY = 2
    post(new_client(), ASKED, REMOTE_ADDR="192.0.2.1")
    post(new_client(), ASKED, REMOTE_ADDR="192.0.2.2")
    # To the same mailbox from elsewhere, in whatever way it is written.
    same = {**ASKED, "notify": {"email": "ANN+1@example.org"}}
    refused = post(new_client(), same, REMOTE_ADDR="192.0.2.3")
    assert (refused.status_code, refused.json()["field"]) == (429, "notify.email")
    # To others, from one address; a new cookie each time is nobody new.
    for name in ("bob", "eve"):
        body = {**ASKED, "notify": {"email": f"{name}@example.org"}}
        client = new_client()
        client.cookies["marinemap-owner-0000000a"] = Signer(salt="marinemap.owner").sign(name)
        last = post(client, body, REMOTE_ADDR="192.0.2.1")
    assert last.status_code == 429 and "network address" in last.json()["detail"]
    assert Job.objects.count() == 3
    LetterWish.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert post(new_client(), ASKED, REMOTE_ADDR="192.0.2.1").status_code == 201


def test_site_that_sends_no_letters_says_so(
    post: Post, new_client: NewClient, reefs: Layer, settings: Any
) -> None:
    settings.MARINEMAP_LETTERS = "nobody"
    answer = post(new_client(), ASKED)
    assert (answer.status_code, answer.json()["field"]) == (400, "notify")
    assert "sends no letters" in answer.json()["detail"]


def test_only_who_signed_in_is_written_to_at_their_own_address(
    post: Post, new_client: NewClient, reefs: Layer, settings: Any
) -> None:
    settings.MARINEMAP_LETTERS = "signed-in"
    assert "signed in" in post(new_client(), ASKED).json()["detail"]
    client = new_client()
    client.force_login(User.objects.create_user("ann", email="Ann@example.org"))
    assert post(client, ASKED).status_code == 201
    other = post(client, {**ASKED, "notify": {"email": "bob@example.org"}})
    assert other.status_code == 400 and "of their account only" in other.json()["detail"]


def test_nothing_is_told_of_what_is_answered_at_once(
    post: Post, new_client: NewClient, reefs: Layer
) -> None:
    answer = post(new_client(), ASKED, "estimate", headers={"Prefer": ""})
    assert (answer.status_code, answer.json()["field"]) == (400, "notify")


def test_request_that_is_sent_again_is_told_of_once(
    post: Post, new_client: NewClient, reefs: Layer
) -> None:
    for _ in range(2):
        assert post(new_client(), ASKED, headers={"Idempotency-Key": "1"}).status_code == 201
    assert LetterWish.objects.count() == 1


def test_lead_is_within_the_time_that_files_are_kept(settings: Any) -> None:
    settings.MARINEMAP_KEEP_DAYS = "0.05"
    assert correspondence._lead() < job_settings().keep_results


@pytest.mark.parametrize(
    ("letters_go_to", "email", "told"),
    [
        ("nobody", ANN, None),
        ("anyone", None, {}),
        ("signed-in", None, None),
        ("signed-in", "", None),
        ("signed-in", ANN, {"address": ANN}),
    ],
)
def test_whoever_asks_is_told_whether_they_may_have_letters(
    new_client: NewClient, settings: Any, letters_go_to: str, email: str | None, told: Any
) -> None:
    settings.MARINEMAP_LETTERS = letters_go_to
    client = new_client()
    if email is not None:
        client.force_login(User.objects.create_user("ann", email))
    assert client.get("/api/limits").json().get("letters") == told
