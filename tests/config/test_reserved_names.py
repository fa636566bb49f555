"""A group's name must not look like a trial's: its machines would be nobody's."""

from __future__ import annotations

import pytest

from externalgrpc import config
from tests import serving

POOL = """
cluster: test
nodes:
- {name: NAME, provider: memory, instanceType: small, region: north, maxSize: 2}
"""


def test_the_prefix_of_trials_is_kept_for_them(tmp_path):
    with pytest.raises(config.ConfigError, match=r"vps-trial-"):
        serving.loaded(tmp_path, POOL.replace("NAME", "vps-trial-web"))
    made, _ = serving.loaded(tmp_path, POOL.replace("NAME", "my-vps-trial-web"))
    assert [each.name for each in made.groups] == ["my-vps-trial-web"]
