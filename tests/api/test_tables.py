"""Layers from PostGIS by every way into the site: catalogue, pages, estimate, extract, drawing."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from marinemap.catalogue.drawings import draw_missing
from marinemap.catalogue.freshness import refresh_all
from marinemap.catalogue.models import Layer, SourceLook
from marinemap.catalogue.new_sources import read_waiting
from marinemap.catalogue.source_looks import look_waiting, offered_by
from marinemap.extraction import Server, allow_servers
from marinemap.jobs.models import Job
from marinemap.jobs.tasks import run_job
from tests.api.conftest import AREA, Post, run
from tests.postgis import running_postgis, schema_of_test
from tests.postgresql import Cluster

ASKED = {"inputs": {"layers": ["reefs"], "area": AREA}}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_postgis() as running:
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """The database of the layer ``reefs``: 100 squares of the small sea."""
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=5)
    with schema_of_test(cluster) as connection:
        connection.execute(
            "CREATE TABLE sea.reefs (gid int PRIMARY KEY, name text, geom geometry(Polygon, 4326))"
        )
        connection.execute(
            "INSERT INTO sea.reefs SELECT n, 'Reef ' || n, ST_MakeEnvelope("
            "n % 10 + 0.1, n / 10 + 40.1, n % 10 + 0.9, n / 10 + 40.9, 4326) "
            "FROM generate_series(0, 99) n"
        )
        connection.execute("CREATE INDEX ON sea.reefs USING gist (geom)")
        yield connection
    allow_servers([])


@pytest.fixture
def address(cluster: Cluster, database: psycopg.Connection[Any]) -> str:
    address = f"postgresql://127.0.0.1:{cluster.port}/postgres?table=sea.reefs"
    call_command("addlayer", "reefs", address, stdout=StringIO())
    return address


def items(client: Client, query: str = "limit=100") -> Any:
    return client.get(f"/api/collections/reefs/items?f=json&{query}")


def test_features_of_a_table_are_paged_and_renewed(
    address: str, database: psycopg.Connection[Any], client: Client
) -> None:
    page = items(client, "limit=30").json()
    assert page["numberMatched"] == 100
    following = next(link["href"] for link in page["links"] if link["rel"] == "next")
    assert [f["id"] for f in client.get(following).json()["features"]][:2] == [30, 31]
    boxed = items(client, "bbox=0,40,1.95,40.95&filter=name <> 'Reef 1'")
    assert [each["id"] for each in boxed.json()["features"]] == [0]
    assert boxed.json()["features"][0]["properties"] == {"gid": 0, "name": "Reef 0"}
    tag = client.get("/api/collections/reefs/items/7?f=json").headers["ETag"]
    again = {"HTTP_IF_NONE_MATCH": tag}
    assert client.get("/api/collections/reefs/items/7?f=json", **again).status_code == 304
    database.execute("UPDATE sea.reefs SET name = 'Seventh' WHERE gid = 7")
    database.execute("SELECT pg_stat_force_next_flush()")
    one = client.get("/api/collections/reefs/items/7?f=json", **again)
    assert one.json()["properties"]["name"] == "Seventh"
    # The next page of data that have changed is no page of these.
    assert client.get(following).status_code == 410


def test_table_is_extracted(address: str, client: Client, post: Post) -> None:
    job = run(post(client, ASKED).json()["jobID"])
    assert job.status == "successful", job.message
    assert "reefs: 25 features" in job.message


def test_table_is_drawn(address: str) -> None:
    told = list(draw_missing())
    assert len(told) == 1 and "reefs: Drawn" in told[0]


def test_server_that_is_away_is_told_and_waited_for(
    address: str, cluster: Cluster, client: Client, post: Post
) -> None:
    answer = post(client, ASKED)
    assert answer.status_code == 201
    cluster.stop("immediate")
    try:
        away = items(client)
        assert away.status_code == 503
        assert "postgres is away" in away.json()["detail"]
        assert "127.0.0.1" not in away.content.decode()
        job = Job.objects.get(pk=answer.json()["jobID"])
        run_job(str(job.pk))
        job.refresh_from_db()
        assert (job.status, job.put_off) == ("accepted", 1)
        assert "reefs" in dict(refresh_all())
        assert post(client, ASKED).status_code == 503
    finally:
        cluster.start()
    assert items(client).status_code == 200
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.status == "successful"
    assert not any(dict(refresh_all()).values())


def test_passwords_are_in_no_address_and_no_answer(
    address: str, cluster: Cluster, client: Client, admin_client: Client
) -> None:
    secret = address.replace("//", "//postgres:hunter2@")
    with pytest.raises(CommandError) as refused:
        call_command("addlayer", "secret", secret)
    assert "hunter2" not in str(refused.value)
    allow_servers([Server.parse(secret.partition("?")[0])], seconds=5)
    form = admin_client.get("/admin/catalogue/layer/reefs/change/").content.decode()
    assert address.replace("&", "&amp;") in form and "hunter2" not in form
    data = {"id": "secret", "title": "Secret", "source": secret, "source_layer": ""}
    again = admin_client.post("/admin/catalogue/layer/add/", data).content.decode()
    assert not Layer.objects.filter(pk="secret").exists()
    assert "holds a password" in again
    for path in ("/api/collections/reefs?f=json", "/api/collections?f=json"):
        text = client.get(path).content.decode()
        assert "hunter2" not in text and "127.0.0.1" not in text and "sea.reefs" not in text


def test_operator_chooses_among_the_tables_of_a_database(
    cluster: Cluster, database: psycopg.Connection[Any], admin_client: Client
) -> None:
    database.execute('CREATE TABLE sea."Große ""Riffe""" (gid int PRIMARY KEY, geom geometry)')
    point = "ST_SetSRID(ST_MakePoint(1, 50), 4326)"
    database.execute(f'INSERT INTO sea."Große ""Riffe""" VALUES (1, {point})')
    database.execute("CREATE TABLE sea.keyless (name text, geom geometry(Point, 4326))")
    database.execute("CREATE TABLE sea.plain (gid int PRIMARY KEY)")
    pages = "/admin/catalogue/layer/"
    name = Server.parse(cluster.url("postgres")).name
    assert f"<option>{name}</option>" in admin_client.get(f"{pages}data/").content.decode()
    other = admin_client.post(f"{pages}data/", {"database": "other:5432/sea"})
    assert "this database is none of those" in other.content.decode()
    answer = admin_client.post(f"{pages}data/", {"database": name}, follow=True)
    list(look_waiting())
    shown = admin_client.get(answer.redirect_chain[-1][0]).content.decode()
    assert "Add sea.reefs as a layer" in shown and "sea.plain" not in shown
    assert "table &#x27;sea.keyless&#x27; of the database postgres has no key" in shown
    odd = next(each for each in offered_by(SourceLook.objects.get()) if "Große" in each.layer)
    given = {"id": "odd", "title": "Odd", "source": odd.source, "source_layer": odd.layer}
    assert admin_client.post(f"{pages}add/", given).status_code == 302
    assert list(read_waiting()) == ["odd: read, 1 features"]
    allow_servers([])
    refused = admin_client.post(f"{pages}add/", {**given, "id": "other"})
    (told,) = refused.context["adminform"].form.errors["source"]
    assert "is none that this site may read" in told
