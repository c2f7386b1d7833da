"""Which field of a layer names its features."""

from __future__ import annotations

import pytest

from marinemap.catalogue.naming import field_of_names


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (["id", "name"], "name"),
        (["port_code", "port_name", "country_name"], "port_name"),
        (["country_name", "NAME"], "NAME"),
        (["FILENAME", "user_name", "GEBIETSNAME"], "GEBIETSNAME"),
        (["Nom", "Bezeichnung"], "Bezeichnung"),
        (["filename"], None),
        (["name, full"], None),
        (["surname_code", "habitat_class"], None),
        ([], None),
    ],
)
def test_field_of_names_is_found_by_what_it_is_called(fields: list[str], found: str | None) -> None:
    assert field_of_names([{"name": name, "type": "str:80"} for name in fields]) == found


def test_field_that_an_operator_chose_counts_while_the_data_have_it() -> None:
    fields = [{"name": "name", "type": "str"}, {"name": "code", "type": "int32"}]
    assert field_of_names(fields, "code") == "code"
    assert field_of_names(fields, "gone") == "name"
    assert field_of_names(fields[1:]) is None
