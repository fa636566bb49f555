"""Files that are refused for appPools, targetCPU or headroom, each with what must be said then."""

from __future__ import annotations

from tests.kubero.refusals import Said

_HEAD = "cluster: test\nkubernetes: {}\nvpsNodes: {}\n"
_POOLS = (
    "appPools: {namespaces: [shop], providers: {memory: {regions: [north], instanceTypes: [small]}}"
    ", maxNodesPerApp: 2, maxNodes: 5}\n"
)
_NODES = (
    "nodes:\n- {name: web, provider: memory, instanceType: small, region: north, join: image, "
    "maxSize: 3, labels: {a: b}}\n"
)


def _pools(old: str, new: str) -> str:
    assert old in _POOLS
    return _HEAD + _POOLS.replace(old, new)


def _room(said: str, labels: str = "labels: {a: b}") -> str:
    return _HEAD + _NODES.replace("labels: {a: b}", ", ".join(filter(None, (labels, said))))


FILES: dict[str, tuple[str, Said]] = {
    "pools without a bound": (
        _pools(", maxNodes: 5", ""),
        Said(field="appPools.maxNodes:", wrong="is missing", cure="Add it"),
    ),
    "pools of no namespace": (
        _pools("[shop]", "[]"),
        Said(field="appPools: namespaces", wrong="is empty", cure="name one, or remove appPools"),
    ),
    "pools of no such namespace": (
        _pools("[shop]", "['*']"),
        Said(field="appPools.namespaces[0]", wrong='"*" is not', cure="Name a namespace"),
    ),
    "pools of no cloud": (
        _pools("{memory: {regions: [north], instanceTypes: [small]}}", "{}"),
        Said(field="appPools: providers", wrong="is empty", cure="name a cloud, or remove"),
    ),
    "pools of no such cloud": (
        _pools("memory:", "memry:"),
        Said(field="appPools.providers.memry", wrong="is not an", cure="Did you mean memory?"),
    ),
    "pools of no type": (
        _pools("[small]", "[]"),
        Said(
            field="appPools.providers.memory.instanceTypes",
            wrong="is empty, and allows nothing",
            cure="Name what apps may order, or remove memory",
        ),
    ),
    "pools of an empty type": (
        _pools("[small]", "['']"),
        Said(field="memory.instanceTypes[0]", wrong='"" is empty', cure="Name what is sold"),
    ),
    "pools of no nodes": (
        _pools("maxNodesPerApp: 2", "maxNodesPerApp: 0"),
        Said(field="appPools: maxNodesPerApp", wrong="is 0", cure="must be between 1 and 1000"),
    ),
    "less in all than for one": (
        _pools("maxNodes: 5", "maxNodes: 1"),
        Said(
            field="maxNodes is 1", wrong="less than maxNodesPerApp (2)", cure="raise it, or lower"
        ),
    ),
    "a misspelled bound": (
        _pools("maxNodes:", "maxNode:"),
        Said(field="appPools.maxNode:", wrong="not a known key", cure="Did you mean maxNodes?"),
    ),
    "pools of no cluster": (
        "cluster: test\n" + _NODES + _POOLS,
        Said(field="appPools", wrong="the file does not name", cure="Add kubernetes: to the file"),
    ),
    "a target of none": (
        _room("targetCPU: 0"),
        Said(field="nodes[0].targetCPU", wrong="0 is out", cure="greater than or equal to 1"),
    ),
    "a target beyond all": (
        _room("targetCPU: 101"),
        Said(field="nodes[0].targetCPU", wrong="101 is out", cure="less than or equal to 100"),
    ),
    "a target on nobody's nodes": (
        _room("targetCPU: 70", labels=""),
        Said(field="nodes[0].targetCPU", wrong="needs a label", cure="Add labels: {pool: web}"),
    ),
    "a target of no cluster": (
        _room("targetCPU: 70").replace("kubernetes: {}\nvpsNodes: {}\n", ""),
        Said(field="nodes[0].targetCPU", wrong="needs to know the cluster", cure="Add kubernetes:"),
    ),
    "more in reserve than there may be": (
        _room("headroom: {nodes: 4}"),
        Said(field="headroom.nodes", wrong="4 is more than maxSize 3", cure="Lower it, or raise"),
    ),
    "two reserves": (
        _room("headroom: {nodes: 1, cpu: 2}"),
        Said(field="headroom.cpu", wrong="given beside nodes", cure="Keep one of nodes and cpu"),
    ),
    "a reserve of no quantity": (
        _room("headroom: {cpu: x}"),
        Said(field="headroom.cpu", wrong='"x" is no cpu', cure="Write 100m or 2"),
    ),
    "a time without its unit": (
        _room("headroom: {nodes: 1, lowerAfter: 5}"),
        Said(field="headroom.lowerAfter", wrong="not 5 (a number)", cure="Write it like 15m"),
    ),
    "a misspelled reserve": (
        _room("headroom: {node: 1}"),
        Said(field="headroom.node", wrong="not a known key", cure="Did you mean nodes?"),
    ),
    "a Prometheus that is no address": (
        _room("targetCPU: 70").replace("kubernetes: {}", "kubernetes: {prometheus: foo}"),
        Said(
            field="kubernetes: prometheus", wrong="must be an address", cure="as http://host:9090"
        ),
    ),
}
