"""Results that are kept longer, and shared by a link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from marinemap.api.models import SharedResult
from marinemap.catalogue.models import Layer
from marinemap.jobs import expiry
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, BROWSER, Post, run
from tests.api.test_files import body
from tests.api.test_jobs import ECHO, assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA}}
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def owner(new_client: NewClient) -> Client:
    """Who asked for the result."""
    return new_client(BROWSER)


@pytest.fixture
def done(owner: Client, post: Post, reefs: Layer) -> str:
    """The address of a job that has a result."""
    location = post(owner, REQUEST)["Location"]
    run(location.rpartition("/")[2])
    # From the first look on it is theirs alone.
    owner.get(location)
    return str(location)


def share(owner: Client, done: str, query: str = "") -> str:
    answer = owner.post(f"{done}/share{query}")
    assert answer.status_code == 201, answer.content
    assert answer["Location"] == answer.json()["href"]
    return str(answer.json()["href"])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"days": 3}', "application/json"),
        ("days=3", "application/x-www-form-urlencoded"),
        ('{"days": 3}', "application/x-www-form-urlencoded"),
    ],
)
def test_days_in_a_body_are_refused_and_not_left_aside(
    owner: Client, done: str, body: str, content_type: str
) -> None:
    refused = owner.post(f"{done}/share", body, content_type=content_type)
    assert "?days=3" in assert_problem(refused, 400)["hint"]
    assert not SharedResult.objects.exists()
    assert owner.post(f"{done}/share", "{}", content_type="application/json").status_code == 201


def test_result_is_kept_for_longer_within_the_bound(
    owner: Client, done: str, settings: Any
) -> None:
    settings.MARINEMAP_KEEP_RENEWED_DAYS = "10"
    soon = timezone.now() + timedelta(hours=1)
    Job.objects.update(expires_at=soon)
    answer = owner.post(f"{done}/renew")
    assert answer.status_code == 200, answer.content
    kept = Job.objects.get().expires_at - timezone.now()
    assert timedelta(days=6.99) < kept < timedelta(days=7.01)
    Job.objects.update(finished_at=timezone.now() - timedelta(days=8), expires_at=soon)
    assert owner.post(f"{done}/renew").status_code == 200
    assert Job.objects.get().expires_at - timezone.now() < timedelta(days=2.01)
    problem = assert_problem(owner.post(f"{done}/renew"), 409)
    assert "at most until" in problem["detail"]


def test_what_is_gone_or_not_there_is_not_renewed(owner: Client, done: str, post: Post) -> None:
    owner.delete(done)
    assert_problem(owner.post(f"{done}/renew"), 409)
    waiting = post(owner, ECHO, "echo")["Location"]
    assert_problem(owner.post(f"{waiting}/renew"), 409)


def test_archive_that_is_renewed_amid_the_cleaning_stays(
    owner: Client, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    over = list(Job.objects.all())
    Job.objects.update(expires_at=timezone.now() + timedelta(days=1))

    class Stale:
        """What the cleaning had found a moment before the renewal."""

        def exclude(self, **_: Any) -> list[Job]:
            return over

    found = Job.objects.filter
    monkeypatch.setattr(
        Job.objects,
        "filter",
        lambda **at: Stale() if set(at) == {"expires_at__lte"} else found(**at),
    )
    assert expiry.expire_artifacts() == []
    monkeypatch.undo()
    assert body(owner.get(f"{done}/results")).startswith(b"PK")


def test_link_gives_the_file_to_whoever_has_it(
    owner: Client, done: str, new_client: NewClient
) -> None:
    href = share(owner, done)
    for visitor in (new_client(), new_client(BROWSER), new_client(BROWSER | PAGE)):
        answer = visitor.get(href)
        assert answer["Content-Type"] == "application/zip"
        assert body(answer).startswith(b"PK")
        # The rest of the job stays its owner's.
        assert visitor.get(done).status_code == 404
    # The secret itself is nowhere.
    secret = href.rpartition("/")[2]
    assert not SharedResult.objects.filter(digest__contains=secret[:20]).exists()


def test_outputs_are_shared_by_value(owner: Client, post: Post, new_client: NewClient) -> None:
    asked = ECHO | {"response": "document"}
    location = post(owner, asked, "echo")["Location"]
    run(location.rpartition("/")[2])
    answer = new_client().get(share(owner, location))
    assert answer.status_code == 200
    assert b"/api/jobs/" not in answer.content


def test_revoked_link_says_why_to_programs_and_people(
    owner: Client, done: str, new_client: NewClient
) -> None:
    href = share(owner, done)
    assert owner.delete(f"{done}/share").json()["revoked"] == 1
    problem = assert_problem(new_client().get(href), 410)
    assert "was revoked" in problem["detail"]
    page = new_client(BROWSER | PAGE).get(href)
    assert (page.status_code, page["Content-Type"]) == (410, "text/html; charset=utf-8")
    assert "was revoked" in page.content.decode()
    assert owner.delete(f"{done}/share").json()["revoked"] == 0


def test_link_that_is_over_and_one_without_files_say_why(
    owner: Client, done: str, new_client: NewClient
) -> None:
    href = share(owner, done, "?days=3")
    left = SharedResult.objects.get().expires_at - timezone.now()
    assert timedelta(days=2.9) < left < timedelta(days=3.1)
    SharedResult.objects.update(expires_at=timezone.now())
    assert "was over" in assert_problem(new_client().get(href), 410)["detail"]
    other = share(owner, done)
    owner.delete(done)
    assert "are gone" in assert_problem(new_client().get(other), 410)["detail"]
    page = new_client(BROWSER | PAGE).get(other)
    assert (page.status_code, b"files are gone" in page.content) == (410, True)


def test_link_does_not_tell_the_id_of_the_job(
    owner: Client, done: str, new_client: NewClient
) -> None:
    """Where a program asked for it, the id is the key to all of the job."""
    href = share(owner, done)

    def told() -> str:
        answer = new_client().get(href)
        return f"{answer.headers}{answer.getvalue()!r}"

    answers = [told()]
    Layer.objects.update(is_restricted=True)
    answers.append(told())
    Layer.objects.update(is_restricted=False)
    owner.delete(done)
    answers.append(told())
    job_id = done.rpartition("/")[2]
    assert [job_id in each for each in answers] == [False, False, False]


def test_address_of_files_that_are_not_given_is_a_page_for_people(
    owner: Client, done: str, new_client: NewClient
) -> None:
    files = f"{done}/results"
    person = new_client(BROWSER | PAGE)
    page = person.get(files)
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "link to share" in page.content.decode()
    german = person.get(files, headers={"Accept-Language": "de"}).content.decode()
    assert 'lang="de"' in german and "link to share" not in german
    for headers in ({}, {"Accept": "application/zip"}, {"Accept": "*/*"}):
        assert_problem(new_client().get(files, headers=headers), 404)
    owner.delete(done)
    assert b"These files are gone" in owner.get(files, headers=PAGE).content


@pytest.mark.parametrize("secret", ["x", "A" * 43, "é" * 43, "A" * 5_000])
def test_link_that_nobody_made_is_not_there(new_client: NewClient, secret: str) -> None:
    assert_problem(new_client().get(f"/api/shared/{secret}"), 404)
    page = new_client(BROWSER | PAGE).get(f"/api/shared/{secret}")
    # Whoever got the link knows the site by it only.
    assert b'<a href="/">Map</a>' in page.content


def test_link_opens_no_layer_to_who_may_not_see_it(
    owner: Client, done: str, new_client: NewClient
) -> None:
    href = share(owner, done)
    Layer.objects.update(is_restricted=True)
    Layer.objects.get().groups.add(Group.objects.create(name="surveyors"))
    assert_problem(new_client().get(href), 404)


def test_only_the_owner_renews_shares_and_revokes(
    owner: Client, done: str, new_client: NewClient
) -> None:
    for other in (new_client(), new_client(BROWSER)):
        for ask in (other.post(f"{done}/renew"), other.post(f"{done}/share")):
            assert_problem(ask, 404)
        assert_problem(other.delete(f"{done}/share"), 404)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for ask in (
        owner.post(f"{done}/renew", headers=elsewhere),
        owner.post(f"{done}/share", headers=elsewhere),
        owner.delete(f"{done}/share", headers=elsewhere),
    ):
        assert_problem(ask, 403)


def test_so_many_links_lead_to_a_result(owner: Client, done: str) -> None:
    for _ in range(20):
        share(owner, done)
    assert "as many as may" in assert_problem(owner.post(f"{done}/share"), 400)["detail"]
