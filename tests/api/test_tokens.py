"""Personal tokens: made, shown once, used, watched and revoked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.utils import timezone

from marinemap.api.access import SCOPES
from marinemap.api.models import PersonalToken
from marinemap.api.tokens import MOST_TOKENS, make_token
from marinemap.jobs.models import Job
from tests.api.conftest import BROWSER, Post
from tests.api.test_jobs import ECHO, assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
NEW = {"name": "QGIS", "scopes": ["jobs:read", "layers:read"]}


@pytest.fixture
def diver() -> User:
    return User.objects.create_user("diver")


def shown(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def token_of(user: User, *scopes: str, name: str = "a token") -> str:
    return make_token(user, name, scopes or list(SCOPES))[1]


def send(client: Client, body: Any = NEW, **options: Any) -> Any:
    return client.post("/api/tokens", body, content_type="application/json", **options)


def listed(client: Client) -> set[str]:
    return {job["jobID"] for job in client.get("/api/jobs").json()["jobs"]}


def test_token_lists_the_jobs_made_with_it(diver: User, new_client: NewClient, post: Post) -> None:
    text = token_of(diver)
    made = post(new_client(shown(text)), ECHO, "echo")
    assert made.status_code == 201
    assert not made.cookies
    # Another program of the same person, and their browser.
    assert listed(new_client(shown(text))) == {made.json()["jobID"]}
    person = new_client(BROWSER)
    person.force_login(diver)
    assert listed(person) == {made.json()["jobID"]}
    other = new_client(shown(token_of(User.objects.create_user("other"))))
    assert listed(other) == set()
    for stranger in (other, new_client(), new_client(BROWSER)):
        assert_problem(stranger.get(made["Location"]), 404)


def test_cookies_beside_a_token_count_for_nothing(
    diver: User, new_client: NewClient, post: Post
) -> None:
    person = new_client(BROWSER)
    job = post(person, ECHO, "echo").json()["jobID"]
    assert listed(person) == {job}
    assert listed(new_client(shown(token_of(diver)))) == set()
    person.force_login(User.objects.create_user("other"))
    assert person.get("/api/jobs", headers=shown(token_of(diver, name="2"))).json()["jobs"] == []


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [(["jobs:read"], 200, 403), (["jobs:write"], 403, 201), (["layers:read"], 403, 403)],
)
def test_token_is_good_for_its_scopes_only(
    diver: User, new_client: NewClient, post: Post, scopes: list[str], reads: int, writes: int
) -> None:
    client = new_client(shown(token_of(diver, *scopes)))
    assert client.get("/api/jobs").status_code == reads
    made = post(client, ECHO, "echo")
    assert made.status_code == writes
    assert client.get("/api/collections").status_code == 200
    if writes == 403:
        assert "jobs:write" in assert_problem(made, 403)["detail"]
        assert not Job.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "x", "mmt_", "mmt_" + "x" * 43, "mmt_" + "x" * 100_000, "mmt_" + "\xe9" * 43]
)
@pytest.mark.parametrize("address", ["/api/", "/api/jobs", "/api/tokens", "/api/nothing"])
def test_text_that_is_no_token_is_refused_everywhere(
    new_client: NewClient, text: str, address: str
) -> None:
    refused = new_client(shown(text)).get(address)
    problem = assert_problem(refused, 401)
    assert refused["WWW-Authenticate"].startswith("Bearer ")
    assert problem["type"].endswith("token-refused")
    assert text == "" or text not in str(problem)


@pytest.mark.parametrize("scheme", ["", "Token ", "Basic "])
def test_token_without_its_word_is_refused_and_told_how(
    diver: User, new_client: NewClient, scheme: str
) -> None:
    text = token_of(diver)
    refused = new_client({"Authorization": scheme + text}).get("/api/jobs")
    problem = assert_problem(refused, 401)
    assert "Authorization: Bearer mmt_..." in problem["hint"] and text not in str(problem)
    # What is somebody else's is left to them.
    assert new_client({"Authorization": "Basic eDp5"}).get("/api/jobs").status_code == 200


def test_token_that_is_over_revoked_or_of_who_may_not_sign_in_is_refused(
    diver: User, new_client: NewClient
) -> None:
    text = token_of(diver)
    client = new_client(shown(text))
    assert client.get("/api/jobs").status_code == 200
    answers = []
    PersonalToken.objects.update(expires_at=timezone.now())
    answers.append(client.get("/api/jobs"))
    PersonalToken.objects.update(expires_at=None)
    User.objects.update(is_active=False)
    answers.append(client.get("/api/jobs"))
    User.objects.update(is_active=True)
    PersonalToken.objects.all().delete()
    answers.append(client.get("/api/jobs"))
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.content for answer in answers}) == 1


def test_other_schemes_are_not_ours(new_client: NewClient) -> None:
    # A server in front may ask for a password of the whole site.
    assert new_client({"Authorization": "Basic eDp5"}).get("/api/jobs").status_code == 200


def test_token_opens_nothing_but_the_api(new_client: NewClient) -> None:
    admin = User.objects.create_superuser("admin")
    client = new_client(shown(token_of(admin)))
    assert client.get("/admin/").status_code == 302


def test_token_itself_is_kept_nowhere(
    diver: User, new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    with caplog.at_level(logging.DEBUG):
        made = send(person)
        text = made.json()["token"]
        client = new_client(shown(text))
        assert client.get("/api/jobs").status_code == 200
        assert client.get("/api/jobs?x=1").status_code == 400
    row = PersonalToken.objects.values().get()
    assert text.removeprefix("mmt_") not in str(row) + caplog.text
    assert text not in person.get("/api/tokens").content.decode()
    assert made["Cache-Control"] == "private, no-store"


def test_person_makes_watches_and_revokes_tokens(diver: User, new_client: NewClient) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    made = send(person).json()
    (kept,) = person.get("/api/tokens").json()["tokens"]
    assert kept["scopes"] == ["layers:read", "jobs:read"]
    assert made["token"].startswith(kept["beginsWith"]) and "lastUsed" not in kept
    client = new_client(shown(made["token"]))
    client.get("/api/jobs")
    (kept,) = person.get("/api/tokens").json()["tokens"]
    assert kept["lastUsed"]
    assert person.delete(f"/api/tokens/{kept['id']}").status_code == 200
    assert client.get("/api/jobs").status_code == 401
    assert person.get("/api/tokens").json()["tokens"] == []


def test_nobody_else_has_to_do_with_a_token(diver: User, new_client: NewClient) -> None:
    token, text = make_token(diver, "mine", list(SCOPES))
    other = new_client(BROWSER)
    other.force_login(User.objects.create_user("other"))
    for token_id in (token.pk, "1", "x" * 5_000, str(token.pk).upper()):
        assert_problem(other.delete(f"/api/tokens/{token_id}"), 404)
    assert other.get("/api/tokens").json()["tokens"] == []
    # Neither a stranger nor the token itself, which could outlive its revocation by another.
    for client in (new_client(), new_client(BROWSER), new_client(shown(text))):
        assert_problem(client.get("/api/tokens"), 403)
        assert_problem(send(client), 403)
        assert_problem(client.delete(f"/api/tokens/{token.pk}"), 403)
    assert PersonalToken.objects.count() == 1


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
def test_page_of_another_site_makes_and_revokes_none(
    diver: User, new_client: NewClient, headers: dict[str, str]
) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    token, _ = make_token(diver, "mine", list(SCOPES))
    assert_problem(send(person, headers=headers), 403)
    assert_problem(person.delete(f"/api/tokens/{token.pk}", headers=headers), 403)
    assert PersonalToken.objects.count() == 1


def test_page_of_another_site_with_a_token_may_ask(
    diver: User, new_client: NewClient, post: Post
) -> None:
    page = {"Sec-Fetch-Site": "cross-site", "Origin": "https://maps.example.org"}
    client = new_client(BROWSER | page | shown(token_of(diver)))
    assert post(client, ECHO, "echo").status_code == 201
    asked = page | {"Access-Control-Request-Method": "POST"}
    preflight = new_client().options("/api/processes/echo/execution", headers=asked)
    assert "Authorization" in preflight["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (NEW | {"scopes": ["jobs:red"]}, "body.scopes.0"),
        (NEW | {"scopes": []}, "body.scopes"),
        (NEW | {"name": ""}, "body.name"),
        (NEW | {"name": " "}, "name"),
        (NEW | {"name": "a\0b"}, "name"),
        (NEW | {"name": "\ud800"}, "name"),
        (NEW | {"name": "a\nb"}, "name"),
        (NEW | {"days": 0}, "body.days"),
        (NEW | {"user": 1}, "body.user"),
        ({"name": "x"}, "body"),
        ([], "body"),
        ("{", "body"),
    ],
)
def test_token_that_cannot_be_made_is_refused_by_name(
    diver: User, new_client: NewClient, body: Any, field: str
) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    assert assert_problem(send(person, body), 400)["field"] == field
    assert not PersonalToken.objects.exists()


def test_same_name_and_one_too_many_are_refused(diver: User, new_client: NewClient) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    assert send(person).status_code == 201
    assert assert_problem(send(person), 400)["field"] == "name"
    for number in range(1, MOST_TOKENS):
        token_of(diver, name=str(number))
    assert str(MOST_TOKENS) in assert_problem(send(person, NEW | {"name": "x"}), 400)["detail"]


def test_same_name_at_the_same_time_is_refused(diver: User, new_client: NewClient) -> None:
    person = new_client(BROWSER)
    person.force_login(diver)
    others = [PersonalToken(user=diver, name="QGIS", digest="another", scopes=[])]

    def come_in_between(execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if "COUNT" in sql and others:
            others.pop().save()
        return found

    with connection.execute_wrapper(come_in_between):
        problem = assert_problem(send(person), 400)
    assert (problem["field"], problem["value"]) == ("name", "QGIS")
    assert PersonalToken.objects.get().digest == "another"


def test_use_is_noted_once_a_minute(
    diver: User, new_client: NewClient, django_assert_num_queries: Any
) -> None:
    client = new_client(shown(token_of(diver)))
    client.get("/api/conformance")
    with django_assert_num_queries(1):
        client.get("/api/conformance")
    PersonalToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    with django_assert_num_queries(2):
        client.get("/api/conformance")


def command(*arguments: Any) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue()


def test_command_makes_lists_and_revokes(diver: User, new_client: NewClient) -> None:
    text = command("make", "diver", "nightly", "--scope", "jobs:read").strip()
    assert new_client(shown(text)).get("/api/jobs").status_code == 200
    line = command("list", "diver")
    assert "diver: nightly  jobs:read  last used: 2" in line and text not in line
    command("revoke", PersonalToken.objects.get().pk)
    assert new_client(shown(text)).get("/api/jobs").status_code == 401
    with pytest.raises(CommandError, match="Did you mean 'diver'"):
        command("make", "divr", "x")


@pytest.mark.parametrize("days", ["-1", "3651", "99999999999999999999", "1.5", "١"])
def test_command_makes_no_token_of_odd_days(diver: User, days: str) -> None:
    with pytest.raises(CommandError, match="a whole number from 1 to 3650, or 0 for ever"):
        command("make", "diver", "nightly", "--days", days)
    assert not PersonalToken.objects.exists()


def test_admin_shows_a_token_once(admin_client: Client, diver: User) -> None:
    form = {"user": diver.pk, "name": "x", "scopes": ["jobs:read"], "expires_at_0": ""}
    page = admin_client.post(
        "/admin/api/personaltoken/add/", form | {"expires_at_1": ""}, follow=True
    )
    token = PersonalToken.objects.get()
    assert (token.user, token.scopes) == (diver, ["jobs:read"])
    assert token.begins_with in page.content.decode() and "told this once: mmt_" in str(
        list(page.context["messages"])[0]
    )
    again = admin_client.get("/admin/api/personaltoken/").content.decode()
    assert "told this once" not in again
    gone = admin_client.post(f"/admin/api/personaltoken/{token.pk}/delete/", {"post": "yes"})
    assert gone.status_code == 302 and not PersonalToken.objects.exists()


@pytest.mark.parametrize("name", ["QGIS\u200bhome", "QGIS\u00a0home"])
def test_admin_refuses_a_name_that_cannot_be_shown(
    admin_client: Client, diver: User, name: str
) -> None:
    form = {"user": diver.pk, "name": name, "scopes": ["jobs:read"]}
    page = admin_client.post("/admin/api/personaltoken/add/", form)
    assert "a name has letters that can be shown" in page.content.decode()
    assert not PersonalToken.objects.exists()


def test_staff_make_tokens_for_themselves_only(client: Client, diver: User) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="api"))
    admin = User.objects.create_superuser("admin")
    token, _ = make_token(admin, "admin's", list(SCOPES))
    client.force_login(staff)
    form = {"name": "x", "scopes": ["jobs:read"], "expires_at_0": "", "expires_at_1": ""}
    for user in (admin, diver):
        client.post("/admin/api/personaltoken/add/", form | {"user": user.pk})
    assert PersonalToken.objects.count() == 1
    assert token.name not in client.get("/admin/api/personaltoken/").content.decode()
    client.post(f"/admin/api/personaltoken/{token.pk}/delete/", {"post": "yes"})
    client.post("/admin/api/personaltoken/add/", form | {"user": staff.pk})
    assert {each.user for each in PersonalToken.objects.all()} == {admin, staff}
