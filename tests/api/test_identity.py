"""Whose job it is, and who takes turns: cookies, accounts, addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from marinemap.api.address import address_of, network_of
from marinemap.jobs.models import Job
from tests.api.conftest import BROWSER, Post

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
ECHO = {"inputs": {"message": "hello"}}


def listed(client: Client) -> set[str]:
    return {job["jobID"] for job in client.get("/api/jobs").json()["jobs"]}


def ask(post: Post, client: Client, **options: Any) -> str:
    return str(post(client, ECHO, "echo", **options).json()["jobID"])


def test_signing_in_and_out_loses_no_job(new_client: NewClient, post: Post) -> None:
    person = new_client(BROWSER)
    before = ask(post, person)
    person.force_login(User.objects.create_user("diver"))
    during = ask(post, person)
    assert listed(person) == {before, during}
    assert person.get(f"/api/jobs/{before}").status_code == 200
    # Django's test client forgets every cookie; a browser keeps those that are not the session's.
    kept = {name: cookie.value for name, cookie in person.cookies.items() if "owner" in name}
    person.logout()
    person.cookies.load(kept)
    assert listed(person) == {before}
    elsewhere = new_client(BROWSER)
    elsewhere.force_login(User.objects.get())
    assert listed(elsewhere) == {during}


def test_two_first_requests_at_once_are_one_owner(new_client: NewClient, post: Post) -> None:
    # Neither has a cookie yet when it is sent; the browser gets both answers.
    answers = [post(new_client(BROWSER), ECHO, "echo") for _ in range(2)]
    browser = new_client(BROWSER)
    for answer in answers:
        browser.cookies.update(answer.cookies)
    assert listed(browser) == {answer.json()["jobID"] for answer in answers}
    for answer in answers:
        assert browser.get(answer["Location"]).status_code == 200


def test_cookie_lasts_longer_than_any_job_and_is_renewed(new_client: NewClient, post: Post) -> None:
    person = new_client(BROWSER)
    for _ in range(2):
        answer = post(person, ECHO, "echo")
        (cookie,) = answer.cookies.values()
        assert cookie["max-age"] == 400 * 24 * 3600
        assert cookie["httponly"] and cookie["samesite"] == "Lax"
    assert len(listed(person)) == 2


def test_made_up_cookie_is_nobody(new_client: NewClient, post: Post) -> None:
    mine = new_client(BROWSER)
    job = ask(post, mine)
    (name,) = mine.cookies
    owner = Job.objects.get().owner
    forger = new_client(BROWSER)
    for value in (owner, f"{owner}:{'x' * 43}", mine.cookies[name].value + "x"):
        forger.cookies[name] = value
        assert listed(forger) == set()
        assert forger.get(f"/api/jobs/{job}").status_code == 404


def test_heap_of_cookies_costs_no_more(new_client: NewClient) -> None:
    person = new_client(BROWSER)
    for number in range(500):
        person.cookies[f"marinemap-owner-{number:08x}"] = "x"
    assert listed(person) == set()


def sent_from(address: str, forwarded: str | None = None) -> Any:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().post("/", REMOTE_ADDR=address, headers=headers)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
    ],
)
def test_network_of_a_client_is_its_address_or_64_bits_of_it(address: str, network: str) -> None:
    assert network_of(sent_from(address)) == network


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("10.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("nonsense", "127.0.0.1"),
        ("192.0.2.7, ", "127.0.0.1"),
        ("9" * 100_000, "127.0.0.1"),
        (None, "127.0.0.1"),
    ],
)
def test_header_of_a_proxy_counts_only_where_one_is_trusted(
    settings: Any, forwarded: str | None, network: str
) -> None:
    request = sent_from("127.0.0.1", forwarded)
    settings.MARINEMAP_BEHIND_PROXY = False
    assert network_of(request) == "127.0.0.1"
    settings.MARINEMAP_BEHIND_PROXY = True
    assert network_of(request) == network


def test_address_is_kept_as_a_digest_only(new_client: NewClient, post: Post) -> None:
    ask(post, new_client(), REMOTE_ADDR="192.0.2.7")
    kept = Job.objects.get().address
    assert kept == address_of(sent_from("192.0.2.7"))
    assert kept != address_of(sent_from("192.0.2.8"))
    assert "192.0.2.7" not in kept
