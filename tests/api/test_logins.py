"""Wrong passwords: some are forgiven, many are not looked at."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db
RIGHT = {"username": "ada", "password": "right"}
WRONG = {"username": "ada", "password": "wrong"}


@pytest.fixture
def client() -> Client:
    """A client of a server of its own, and somebody who may sign in."""
    User.objects.create_superuser("ada", password="right")
    return Client()


def test_eleventh_attempt_is_not_looked_at(client: Client) -> None:
    for _ in range(10):
        assert client.post("/admin/login/", WRONG).status_code == 200
    refused = client.post("/admin/login/", RIGHT)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    # It is the address that is refused, and the login alone.
    assert client.get("/admin/login/").status_code == 200
    assert client.post("/admin/login/", RIGHT, REMOTE_ADDR="192.0.2.9").status_code == 302


def test_right_password_forgives_no_wrong_ones_for_others(client: Client) -> None:
    User.objects.create_superuser("bob", password="other")
    for _ in range(9):
        client.post("/admin/login/", WRONG)
    own = {"username": "bob", "password": "other"}
    assert client.post("/admin/login/", own).status_code == 302
    client.logout()
    client.post("/admin/login/", WRONG)
    assert client.post("/admin/login/", RIGHT).status_code == 429


def test_right_password_forgives(client: Client) -> None:
    for _ in range(3):
        for _ in range(9):
            client.post("/admin/login/", WRONG)
        assert client.post("/admin/login/", RIGHT).status_code == 302
        client.logout()
