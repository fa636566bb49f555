"""Where the disk is an option of the group, the template promises that one."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import observed_capacity
from externalgrpc.model import groups
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import describe
from providers import contract, memory
from tests.fleet import scene

GB = 1000**3
DISKLESS = contract.MachineType(
    name="small", cpu_millis=2000, memory_bytes=4 * 1024**3, disk_bytes=0
)


@dataclasses.dataclass(frozen=True)
class Options:
    disk_gb: int = 20


class Disked(memory.MemoryCloud):
    def disk_bytes(self, machine_type: contract.MachineType, options: object) -> int:
        chosen = options if isinstance(options, Options) else Options()
        return machine_type.disk_bytes or chosen.disk_gb * GB


def promised(cloud: type[memory.MemoryCloud], options: object) -> int:
    """Return the capacity of ephemeral storage, in bytes, that the template of a group promises."""
    group = scene.group(options=options)
    stage = scene.Scene(group)
    (account,) = stage.fleet.accounts.values()
    assert account.catalogue is not None
    sold = dataclasses.replace(account.catalogue, machine_types={"small": DISKLESS})
    fleet = dataclasses.replace(
        stage.fleet, accounts={"a": dataclasses.replace(account, catalogue=sold)}
    )
    config = groups.Config(cluster="c", accounts={}, groups=(group,))
    provider = cloud(contract.Login(account="a", cluster="c", token=""))
    node = core.Node.FromString(
        describe.Describer(config, {"a": provider}).template_node(fleet, group)
    )
    amount = node.status.capacity["ephemeral-storage"].string
    return int(amount.removesuffix("Ki")) * 1024


def test_a_template_promises_the_disk_of_the_groups_options() -> None:
    small, large = promised(Disked, None), promised(Disked, Options(disk_gb=80))
    assert 0.9 * 20 * GB < small <= 20 * GB
    assert 0.9 * 80 * GB < large <= 80 * GB


def test_without_the_method_the_price_list_counts() -> None:
    assert promised(memory.MemoryCloud, Options(disk_gb=80)) == 0
    kind = contract.MachineType(name="x", cpu_millis=1, memory_bytes=1, disk_bytes=7)
    assert contract.as_ordered(object(), kind, None) is kind


def test_a_disk_cannot_be_less_than_none() -> None:
    class Odd:
        def disk_bytes(self, _machine_type: contract.MachineType, _options: object) -> int:
            return -1

    assert contract.as_ordered(Odd(), DISKLESS, None).disk_bytes == 0


def test_what_one_disk_teaches_is_not_taken_for_another() -> None:
    makes = {
        observed_capacity.make_of(scene.group(options=options), "small")
        for options in (None, Options(), Options(disk_gb=80), Options(disk_gb=80))
    }
    assert len(makes) == 3
