"""What may be set of an account is one thing at every cloud, its defaults are the cloud's."""

from __future__ import annotations

import dataclasses

import pytest

from providers import errors
from providers.digitalocean import DigitalOceanCloud
from providers.hetzner import HetznerCloud
from providers.kit import options
from providers.linode import LinodeCloud
from providers.vultr import VultrCloud

CLOUDS = {HetznerCloud: 15.0, LinodeCloud: 15.0, DigitalOceanCloud: 30.0, VultrCloud: 30.0}


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.__name__)
def test_each_cloud_has_its_own_default_and_the_same_rules(cloud: type) -> None:
    kind = cloud.account_options  # type: ignore[attr-defined]
    assert [field.name for field in dataclasses.fields(kind)] == ["settle_s", "hands"]
    assert (kind().settle_s, kind().hands) == (CLOUDS[cloud], 8)
    with pytest.raises(ValueError, match="settleS must be greater than 0"):
        kind(settle_s=0.0)
    with pytest.raises(ValueError, match="hands must be at least 1"):
        kind(hands=0)


def test_settings_made_by_hand_are_the_defaults() -> None:
    own = options.AccountOptions(hands=3)
    assert options.or_defaults(own, options.AccountOptions) is own
    for wrong in (None, object()):
        assert options.or_defaults(wrong, options.AccountOptions) == options.AccountOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Required(options.AccountOptions):
    project_id: str
    default_zone: str
    tags: tuple[str, ...] = ()


def test_an_option_without_a_default_is_asked_for_by_the_name_that_the_file_has() -> None:
    own = _Required(project_id="p-1", default_zone="z")
    assert options.or_defaults(own, _Required) is own
    for wrong in (None, object(), options.AccountOptions()):
        with pytest.raises(errors.BadOrder, match="the options lack projectId, defaultZone, which"):
            options.or_defaults(wrong, _Required)
