"""What the site serves of the page."""

from __future__ import annotations

import gzip

import pytest

from tests.running_site import PROJECT

_SERVED = PROJECT / "marinemap" / "web" / "static" / "marinemap"


@pytest.mark.parametrize(
    # A page on a slow line may have 180 kB; what takes these further does so by decision.
    ("program", "most_bytes"),
    [("page.js", 158_000), ("pagemap.js", 98_500)],
)
def test_program_is_no_larger_than_was_decided(program: str, most_bytes: int) -> None:
    assert len(gzip.compress((_SERVED / program).read_bytes())) <= most_bytes
