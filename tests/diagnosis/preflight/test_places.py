from __future__ import annotations

import pytest

from externalgrpc.diagnosis.preflight import places

LINODE = ("us-east", "us-west", "us-central", "us-southeast", "us-ord", "eu-central", "nl-ams")
OCEAN = ("ams3", "fra1", "nyc1", "nyc3", "sfo3")


@pytest.mark.parametrize(
    ("name", "known", "cure"),
    [
        ("us-south", LINODE, "There, in us: us-central, us-east, us-ord, us-southeast, us-west"),
        ("us-north", LINODE, "There, in us: us-central, us-east, us-ord, us-southeast, us-west"),
        ("eu-west", LINODE, "There, in eu: eu-central"),
        ("us-eats", LINODE, "Did you mean us-east?"),
        ("useast", LINODE, "Did you mean us-east?"),
        ("US-East", LINODE, "Did you mean us-east?"),
        ("eu-centrl", LINODE, "Did you mean eu-central?"),
        ("nyc2", OCEAN, "Did you mean nyc1 or nyc3?"),
        ("ams2", OCEAN, "Did you mean ams3?"),
        ("fra", OCEAN, "Did you mean fra1?"),
        ("lon1", OCEAN, f"Known: {', '.join(OCEAN)}"),
        ("nl-lon", LINODE, "There, in nl: nl-ams"),
        ("sgp", (), "There are none to choose from"),
    ],
)
def test_regions_are_suggested_by_place(name: str, known: tuple[str, ...], cure: str) -> None:
    assert places.nearest(name, known) == cure
