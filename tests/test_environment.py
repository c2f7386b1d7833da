"""Settings that the environment gives, and mistakes in them."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from marinemap.addresses import read_broker, read_database
from marinemap.environment import (
    HOST,
    ORIGIN,
    TRUSTED_ORIGIN,
    read_addresses,
    read_choice,
    read_count,
    read_encryption,
    read_home,
    read_hosts,
    read_layer,
    read_list,
    read_mail_server,
    read_number,
    read_sender,
    read_storage,
    read_time_zone,
    refuse_unknown,
    values,
)
from marinemap.secret_key import read_secret_key


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", "UTC"),
        ("Europe/Athens", "Europe/Athens"),
        (":Europe/Athens", "Europe/Athens"),
        (":/usr/share/zoneinfo/Europe/Athens", "Europe/Athens"),
    ],
)
def test_time_zone_is_a_name_or_a_file(
    monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.setenv("TZ", given)
    assert read_time_zone() == meant


def test_time_zone_of_the_system_is_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    monkeypatch.setenv("TZ", f":{tmp_path}/localtime")
    assert read_time_zone() == "Asia/Tokyo"


def test_time_zone_of_a_system_that_keeps_a_copy_is_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As many containers do; Django did not start."""
    zone = Path("/usr/share/zoneinfo/Asia/Kathmandu")
    (tmp_path / "localtime").write_bytes(zone.read_bytes())
    monkeypatch.setenv("TZ", f":{tmp_path}/localtime")
    assert read_time_zone() in ("Asia/Kathmandu", "Asia/Katmandu")


@pytest.mark.parametrize("given", ["Atlantis", ":/etc/passwd", "../etc/passwd", "/", ":"])
def test_no_time_zone_is_named(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TZ", given)
    with pytest.raises(ImproperlyConfigured, match="TZ: .* is no time zone"):
        read_time_zone()


@pytest.mark.parametrize("given", ["0.4", "61", "nan", "-1", "soon", "1e999"])
def test_number_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MARINEMAP_LOOK_SECONDS", given)
    with pytest.raises(ImproperlyConfigured, match="MARINEMAP_LOOK_SECONDS: .* 0.5 to 60"):
        read_number("MARINEMAP_LOOK_SECONDS", 5, 0.5, 60)


@pytest.mark.parametrize("given", ["10.5", "0", "1001", "1e400", "nan", "ten"])
def test_count_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MARINEMAP_MAX_BATCH", given)
    with pytest.raises(ImproperlyConfigured, match=f"MARINEMAP_MAX_BATCH: '{given}' is not a"):
        read_count("MARINEMAP_MAX_BATCH", 100, 1, 1_000)
    monkeypatch.setenv("MARINEMAP_MAX_BATCH", "12")
    assert read_count("MARINEMAP_MAX_BATCH", 100, 1, 1_000) == 12


def test_choice_is_taken_in_any_case_and_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARINEMAP_SENDFILE", "x-sendfile")
    assert read_choice("MARINEMAP_SENDFILE", ("X-Sendfile",)) == "X-Sendfile"
    monkeypatch.setenv("MARINEMAP_SENDFILE", "X-Evil")
    with pytest.raises(ImproperlyConfigured, match="MARINEMAP_SENDFILE: 'X-Evil'"):
        read_choice("MARINEMAP_SENDFILE", ("X-Sendfile",))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MARINEMAP_HOEM", "Did you mean MARINEMAP_HOME?"),
        ("MARINEMAP_COLOUR", "there is no such setting; docs/reference/settings.md lists all"),
        ("DATABASE_UR", "Did you mean DATABASE_URL?"),
        ("DATABASE_URI", "Did you mean DATABASE_URL?"),
        ("DJANGO_ALLOWED_HOST", "Did you mean DJANGO_ALLOWED_HOSTS?"),
        ("CELERY_TASK_EAGER", "Did you mean CELERY_TASK_ALWAYS_EAGER?"),
        ("CELERY_RESULT_BACKEND", "take it out; results are kept in the database"),
    ],
)
def test_unknown_variable_is_named_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_unknown()
    assert str(caught.value).startswith(f"{name}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://secret@x", "redsi://secret@x", "secret", "memory://"])
def test_broker_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL: .* is no broker") as caught:
        read_broker("sqlite:////srv/site.sqlite3")
    assert ("Did you mean 'redis'?" in str(caught.value)) == url.startswith("redsi")
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("redis", "redis://:geheim#x@db/0", "redis://:x@db:geheim/0", "redis://:x@db/geheim"),
        *("amqp://geheim@db:70000//", "amqp://db//;amqp://u:geheim#x@db2//"),
        *("marinemap+mysql://geheim@db/x", "marinemap+sqlite://", "marinemap+sqlite:///geheim"),
    ],
)
def test_broker_that_its_client_refuses_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL: it cannot") as caught:
        read_broker("sqlite:////srv/site.sqlite3")
    shown = "".join(traceback.format_exception(caught.value))
    assert "geheim" not in shown.replace(url, "")


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:x@db", "redis://db/", "rediss://db:6380/1", "redis+socket:///run/redis.sock"),
        *("amqp://u:p%23@db:5672//", "amqp://a//;amqp://b//", "amqp://u:p@[::1]/site"),
        *("marinemap+postgresql://u:p@one:5432,two:5433/x", "marinemap+sqlite:////srv/q.sqlite3"),
    ],
)
def test_broker_of_a_site_is_let_be(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    assert read_broker("sqlite:////srv/site.sqlite3") == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:geheim#x@db/site",
        "postgresql://u:geheim/x@db/site",
        "postgresql://u:x@db:geheim/site",
        "geheim",
        "sqlite:////srv/geheim?.sqlite3",
        "sqlite:////srv/geheim.sqlite3?timeout=5",
    ],
)
def test_address_that_cannot_be_read_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL: .* # is %23") as caught:
        read_database("")
    # mod_wsgi writes the whole into Apache's log.
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        *((url, "no file by its whole") for url in ("sqlite://", "sqlite:///:memory:")),
        *(("sqlite:///site.sqlite3", "no file by its whole"), ("postgresql://db", "no database")),
    ],
)
def test_address_without_a_database_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match=f"DATABASE_URL: it names {told}"):
        read_database("")


@pytest.mark.parametrize("home", ["/proc/none", "/etc/passwd"])
def test_home_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("MARINEMAP_HOME", home)
    with pytest.raises(ImproperlyConfigured, match=f"MARINEMAP_HOME: '{home}' cannot be made"):
        read_home(Path("var"))


@pytest.mark.parametrize("home", ["var", "./var", "~/maps", '"/srv/maps"', "/srv/maps ", " /srv"])
def test_home_that_is_no_whole_path_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    """It was made where the command was started: another site, and empty, in each folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARINEMAP_HOME", home)
    with pytest.raises(ImproperlyConfigured, match=f"MARINEMAP_HOME: '{home}' is no whole path"):
        read_home(Path("/var"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [("hush\r", "carriage return.*sed"), ("hu\x01sh", r"U\+0001"), ("hu\udcffsh", "no UTF-8")],
)
def test_text_that_nobody_means_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    """The CR of a Windows editor was part of passwords, keys and folders."""
    monkeypatch.setenv("DJANGO_SECRET_KEY", text)
    with pytest.raises(ImproperlyConfigured, match=f"DJANGO_SECRET_KEY: it has .*{told}") as error:
        read_secret_key(Path("/"))
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        *("http://maps.example.org", "maps.example.org:8000", "a b", "maps.example.org/"),
        *("maps;example.org", "https:", "[::1", "maps..org"),
    ],
)
def test_what_no_host_is_called_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DJANGO_ALLOWED_HOSTS", f"localhost,{text}")
    with pytest.raises(ImproperlyConfigured, match=f"'{re.escape(text)}' is no host"):
        read_list("DJANGO_ALLOWED_HOSTS", [], HOST)


def test_site_that_nobody_can_ask_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_ALLOWED_HOSTS", " , ")
    with pytest.raises(ImproperlyConfigured, match="DJANGO_ALLOWED_HOSTS: it names no host"):
        read_hosts("DJANGO_ALLOWED_HOSTS", ["localhost"])


@pytest.mark.parametrize(
    ("text", "is_origin"),
    [
        *(("https://maps.example.org", True), ("https://*.example.org", True)),
        *(("http://localhost:8000", True), ("maps.example.org", False), ("*", False)),
        ("https://maps.example.org/", False),
    ],
)
def test_origin_that_may_post_has_a_scheme(
    monkeypatch: pytest.MonkeyPatch, text: str, is_origin: bool
) -> None:
    monkeypatch.setenv("DJANGO_CSRF_TRUSTED_ORIGINS", text)
    if is_origin:
        assert read_list("DJANGO_CSRF_TRUSTED_ORIGINS", [], TRUSTED_ORIGIN) == [text]
        return
    with pytest.raises(ImproperlyConfigured, match=f"'{re.escape(text)}' is no origin"):
        read_list("DJANGO_CSRF_TRUSTED_ORIGINS", [], TRUSTED_ORIGIN)


@pytest.mark.parametrize("text", ["https://mail.example.org", "mail:587", "a b", "me@example.org"])
def test_mail_server_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DJANGO_EMAIL_HOST", text)
    with pytest.raises(ImproperlyConfigured, match=f"'{re.escape(text)}' is no mail server"):
        read_mail_server("DJANGO_EMAIL_HOST")


@pytest.mark.parametrize("text", ["mail.example.org", "localhost", "192.0.2.7", "2001:db8::7"])
def test_mail_server_is_taken(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DJANGO_EMAIL_HOST", text)
    assert read_mail_server("DJANGO_EMAIL_HOST") == text


def test_letters_are_encrypted_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_EMAIL_USE_TLS", "1")
    assert read_encryption("DJANGO_EMAIL_USE_TLS", "DJANGO_EMAIL_USE_SSL") == (True, False)
    monkeypatch.setenv("DJANGO_EMAIL_USE_SSL", "yes")
    with pytest.raises(ImproperlyConfigured, match="DJANGO_EMAIL_USE_SSL: not both"):
        read_encryption("DJANGO_EMAIL_USE_TLS", "DJANGO_EMAIL_USE_SSL")


@pytest.mark.parametrize("text", ["Agency of the Sea", "a@example.org, b@example.org"])
def test_sender_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DJANGO_DEFAULT_FROM_EMAIL", text)
    with pytest.raises(ImproperlyConfigured, match="DJANGO_DEFAULT_FROM_EMAIL: "):
        read_sender("DJANGO_DEFAULT_FROM_EMAIL", "marinemap@localhost")
    monkeypatch.setenv("DJANGO_DEFAULT_FROM_EMAIL", "Maps <maps@example.org>")
    assert read_sender("DJANGO_DEFAULT_FROM_EMAIL", "") == "Maps <maps@example.org>"


@pytest.mark.parametrize("text", ["Land", "land,shore", "/land", "-land", "l" * 64])
def test_what_no_layer_is_called_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MARINEMAP_BASE_LAYER", text)
    with pytest.raises(ImproperlyConfigured, match=f"'{text}' is no id of a layer"):
        read_layer("MARINEMAP_BASE_LAYER", "land")


def test_hosts_are_taken_as_django_matches_them(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "*",
        ".example.org",
        "Maps.example.org",
        "10.0.0.7",
        "[2001:db8::1]",
        "a_b",
        "xn--p1ai",
    ]
    monkeypatch.setenv("DJANGO_ALLOWED_HOSTS", ", ".join(names))
    assert read_list("DJANGO_ALLOWED_HOSTS", [], HOST) == names


@pytest.mark.parametrize(
    "text",
    [
        *("maps.example.org", "https://maps.example.org/", "https://maps.example.org/map"),
        *("ftp://maps.example.org", "https://a b", "https://", "null", "https://Maps.example.org"),
    ],
)
def test_what_no_page_comes_from_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MARINEMAP_CORS_ORIGINS", f"https://maps.example.org,{text}")
    with pytest.raises(ImproperlyConfigured, match=f"'{re.escape(text)}' is no origin"):
        read_list("MARINEMAP_CORS_ORIGINS", [], ORIGIN)


def test_origins_are_taken_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["*", "https://maps.example.org", "http://localhost:5173", "http://[::1]:8000"]
    monkeypatch.setenv("MARINEMAP_CORS_ORIGINS", ",".join(names))
    assert read_list("MARINEMAP_CORS_ORIGINS", [], ORIGIN) == names


@pytest.mark.parametrize("text", ["", " "])
def test_no_administrators_are_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DJANGO_ADMINS", text)
    # As some versions of Python have it, Debian's among them; their sites did not start.
    monkeypatch.setattr(values, "getaddresses", lambda texts: [("", "")])
    assert read_addresses("DJANGO_ADMINS") == []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set variables of a storage, by what stands behind their prefix."""

    def put(**texts: str) -> None:
        for name, text in texts.items():
            monkeypatch.setenv(f"MARINEMAP_S3_{name.upper()}", text)

    return put


def test_results_stay_on_the_disk_where_no_bucket_is_named(s3: Callable[..., None]) -> None:
    assert read_storage() is None


def test_storage_is_read_with_what_fits_its_server(s3: Callable[..., None]) -> None:
    s3(bucket="maps", prefix="results/2026")
    found = read_storage()
    assert found is not None
    assert (found["prefix"], found["addressing"], found["link_seconds"]) == (
        "results/2026/",
        "virtual",
        900,
    )
    s3(endpoint="http://127.0.0.1:9000")
    assert (read_storage() or {})["addressing"] == "path"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"bucket": "s3://maps"}, "MARINEMAP_S3_BUCKET: 's3://maps' is no name of a bucket"),
        ({"endpoint": "https://s3.example.org"}, "MARINEMAP_S3_ENDPOINT is set; name the bucket"),
        ({"secret_key": "hush"}, "MARINEMAP_S3_SECRET_KEY is set; name the bucket"),
        ({"bucket": "maps", "endpoint": "s3.example.org"}, "MARINEMAP_S3_ENDPOINT: it is no addr"),
        ({"bucket": "maps", "endpoint": "https://u:hush@example.org"}, "without bucket, user and"),
        ({"bucket": "maps", "public_endpoint": "ftp://example.org"}, "S3_PUBLIC_ENDPOINT: it is"),
        ({"bucket": "maps", "prefix": "../other"}, "MARINEMAP_S3_PREFIX: '../other/' is no begi"),
        ({"bucket": "maps", "prefix": "/maps"}, "MARINEMAP_S3_PREFIX: '/maps/' is no beginning"),
        ({"bucket": "maps", "region": "Europe, west"}, "'Europe, west' is no region"),
        ({"bucket": "maps", "access_key": "a"}, "one is set and the other is not"),
        ({"bucket": "maps", "secret_key": "hush"}, "one is set and the other is not"),
        ({"bucket": "maps", "link_minutes": "0"}, "'0' is not a number from 1 to 10080"),
        ({"bucket": "maps", "addressing": "host"}, "'host' is none of path, virtual"),
    ],
)
def test_mistake_in_a_storage_is_named_and_no_key_is_shown(
    s3: Callable[..., None], texts: dict[str, str], words: str
) -> None:
    s3(**texts)
    with pytest.raises(ImproperlyConfigured) as caught:
        read_storage()
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
