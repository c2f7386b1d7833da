"""Settings that the environment gives, and mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from marinemap.environment import read_choice, read_number, read_time_zone


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


def test_choice_is_taken_in_any_case_and_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARINEMAP_SENDFILE", "x-sendfile")
    assert read_choice("MARINEMAP_SENDFILE", ("X-Sendfile",)) == "X-Sendfile"
    monkeypatch.setenv("MARINEMAP_SENDFILE", "X-Evil")
    with pytest.raises(ImproperlyConfigured, match="MARINEMAP_SENDFILE: 'X-Evil'"):
        read_choice("MARINEMAP_SENDFILE", ("X-Sendfile",))
