"""Letters: kept with what they tell of, sent by a thread, again until the server takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from marinemap.mail import backend, sending
from marinemap.mail.letters import write, write_to_admins
from marinemap.mail.models import Letter
from tests.mail_server import MailServer
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[MailServer]:
    found = MailServer(tmp_path)
    settings.EMAIL_BACKEND = "marinemap.mail.backend.Backend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
    yield found
    found.stop()
    wait_for(_is_idle, "the end of the sender")


def _timers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if isinstance(each, threading.Timer)}


def _is_idle() -> bool:
    return sending._sender is None or not sending._sender.is_alive()


def _make_due() -> None:
    Letter.objects.update(due_at=timezone.now())


def test_letter_is_sent_and_forgotten(server: MailServer) -> None:
    write(["ann@example.org"], "Fertig:\r\nBcc: all@example.org", "Größe 5 €\n.\nend")
    sending.send_due()
    (letter,) = wait_for(server.letters, "the letter")
    assert letter["to"] == "ann@example.org"
    assert letter["subject"] == "Fertig: Bcc: all@example.org"
    assert letter["text"].replace("\r", "").startswith("Größe 5 €\n..\nend")
    wait_for(lambda: not Letter.objects.exists(), "that it is forgotten")


def test_letter_of_what_was_rolled_back_is_not_sent(server: MailServer) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        write(["ann@example.org"], "never", "")
        raise RuntimeError
    sending.send_due()
    assert _is_idle() and not server.letters()


def test_mute_server_holds_up_nobody(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_ANSWER_WITHIN_SECONDS", 10)
    monkeypatch.setattr(sending, "_ROUND_SECONDS", 0.1)
    server.behave("mute")
    write(["ann@example.org"], "Ready", "")
    sending.send_due()
    sending.send_due()
    # Two rounds, of which neither has waited for it.
    assert not _is_idle()
    wait_for(lambda: Letter.objects.exclude(trouble="").exists(), "that it is noted")
    wait_for(_is_idle, "the end of the sender")
    server.behave("sound")
    _make_due()
    sending.send_due()
    wait_for(server.letters, "the letter")


def test_server_that_trickles_is_cut_off(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_CONVERSATION_SECONDS", 1.0)
    server.behave("trickling")
    write(["ann@example.org"], "Ready", "")
    sending.send_due()
    wait_for(lambda: Letter.objects.exclude(trouble="").exists(), "that it is noted")
    wait_for(_is_idle, "the end of the sender")
    server.behave("sound")
    # Within its time, which each letter has anew; longer than this waits for its end.
    monkeypatch.setattr(backend, "_CONVERSATION_SECONDS", 600.0)
    before = set(threading.enumerate())
    _make_due()
    sending.send_due()
    wait_for(server.letters, "the letter")
    wait_for(lambda: not _timers() - before, "the end of the watch over the conversation")


def test_letter_that_is_refused_delays_no_other(server: MailServer) -> None:
    server.behave("refusing")
    write(["nobody@example.org"], "Ready", "")
    sending.send_due()
    wait_for(lambda: Letter.objects.exclude(trouble="").exists(), "that it is refused")
    wait_for(_is_idle, "the end of the sender")
    server.behave("sound")
    write(["ann@example.org"], "Ready", "")
    sending.send_due()
    (letter,) = wait_for(server.letters, "the letter")
    assert letter["to"] == "ann@example.org"
    waiting = Letter.objects.get()
    assert "550" in waiting.trouble and waiting.due_at > timezone.now() + timedelta(seconds=10)


def test_server_that_hangs_up_is_asked_anew_for_each_letter(server: MailServer) -> None:
    server.behave("cutting")
    for name in ("ann", "bob"):
        write([f"{name}@example.org"], "Ready", "")
    sending.send_due()
    wait_for(lambda: Letter.objects.filter(trouble="").count() == 0, "that both are noted")
    wait_for(_is_idle, "the end of the sender")
    # Each was offered once, and failed by an answer of its own.
    assert len(server.letters()) == 2
    assert not Letter.objects.filter(trouble__contains="connect() first").exists()
    server.behave("sound")
    _make_due()
    sending.send_due()
    wait_for(lambda: not Letter.objects.exists(), "that both are sent")
    ids = [(letter["to"], letter["headers"]["message-id"]) for letter in server.letters()]
    # What was taken already is known by its id.
    assert len(ids) == 4 and len(set(ids)) == 2 and ids[0][1] != ids[1][1]


def test_letter_is_given_up_in_the_end(server: MailServer) -> None:
    server.behave("refusing")
    write(["nobody@example.org"], "Ready", "")
    Letter.objects.update(created_at=timezone.now() - timedelta(days=3))
    sending.send_due()
    wait_for(lambda: not Letter.objects.exists(), "that it is given up")


def test_administrators_are_those_of_the_settings(settings: Any) -> None:
    assert write_to_admins("fault", "") == []
    settings.ADMINS = [("Ann", "ann@example.org"), ("Bob", "bob@example.org")]
    assert {letter.recipient for letter in write_to_admins("fault\n", "x" * 200_000)} == {
        "ann@example.org",
        "bob@example.org",
    }
    letter = Letter.objects.first()
    assert letter and letter.subject == "[MarineMap] fault" and len(letter.body) < 101_000


def test_letter_of_a_clock_that_was_ahead_is_sent_once_it_is_right(server: MailServer) -> None:
    write(["ann@example.org"], "Ready", "")
    Letter.objects.update(due_at=timezone.now() + timedelta(days=10))
    # As long as one is put off that a server does not take.
    write(["bob@example.org"], "Ready", "")
    Letter.objects.filter(recipient="bob@example.org").update(
        due_at=timezone.now() + timedelta(hours=1)
    )
    sending.send_due()
    (letter,) = wait_for(server.letters, "the letter")
    assert letter["to"] == "ann@example.org"
    wait_for(lambda: Letter.objects.count() == 1, "that it is forgotten")
    assert Letter.objects.get().attempts == 0
