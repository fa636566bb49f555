"""Specs that the server refuses, each with what the condition Accepted must say then."""

from __future__ import annotations

from tests.kubero import refusals
from tests.kubero.cluster import Object, example
from tests.kubero.refusals import Said

GROWING: Object = {"enabled": True, "maxNodes": 3}
_LETTERS = "is not made of letters, digits"

SPECS: dict[str, tuple[Object, Said]] = {
    "a name": (
        example("a--b"),
        Said(field="metadata.name", wrong="two dashes in a row", cure="Choose another name"),
    ),
    "a name of a trial": (
        example("vps-trial-a"),
        Said(field="metadata.name", wrong="would look like a trial's", cure="Begin it otherwise"),
    ),
    "a cloud that is none": (
        example(provider="aws"),
        Said(field="spec.provider", wrong='"aws" is not', cure="Known: digitalocean, hetzner"),
    ),
    "no cloud": (
        example(provider=None),
        Said(field="spec.provider", wrong="is missing", cure="Add one of digitalocean, hetzner"),
    ),
    "one of several accounts": (
        example(provider="vultr"),
        Said(field="spec.provider", wrong="several accounts: one, two", cure="Say which with acc"),
    ),
    "no such account": (
        example(account="nobody"),
        Said(field="spec.account", wrong='"nobody" is no account', cure="Known: hetzner, one, two"),
    ),
    "another cloud's account": (
        example(account="one"),
        Said(field="spec.provider", wrong="one is at vultr", cure="Name an account at hetzner"),
    ),
    "a cloud without a token": (
        example(provider="linode"),
        Said(field="spec.provider", wrong="no token for linode", cure="Set LINODE_TOKEN"),
    ),
    "no type": (
        example(instanceType=None),
        Said(field="spec.instanceType", wrong="is missing", cure="Add instanceType, or"),
    ),
    "no region": (
        example(region=None),
        Said(field="spec.region", wrong="is missing", cure="Add region, or regions"),
    ),
    "an empty type": (
        example(instanceType=""),
        Said(field="spec.instanceType", wrong='"" is empty', cure="Write the name that the cloud"),
    ),
    "a type with a blank": (
        example(instanceTypes=["a b"]),
        Said(field="spec.instanceTypes[0]", wrong=_LETTERS, cure="Write the name that the cloud"),
    ),
    "a type twice": (
        example(instanceTypes=["cx23", "cx23"]),
        Said(field="spec.instanceTypes[1]", wrong="is there twice", cure="Remove one"),
    ),
    "a number for a type": (
        example(instanceType=5),
        Said(field="spec.instanceType", wrong="must be a text, not 5", cure="Put it in quotes"),
    ),
    "too many places": (
        refusals.RULES["too many places"][0],
        Said(field="spec", wrong="too many to try", cure="Keep at most 64 combinations"),
    ),
    "more at least than at most": (
        example(autoScale={"enabled": True, "minNodes": 4, "maxNodes": 3}),
        Said(field="spec.autoScale.minNodes", wrong="4 is more than maxNodes 3", cure="Lower minN"),
    ),
    "no most": (
        example(autoScale={"enabled": True}),
        Said(field="spec.autoScale.maxNodes", wrong="is missing", cure="Say how large"),
    ),
    "a negative number": (
        example(autoScale={"minNodes": -1}),
        Said(
            field="spec.autoScale.minNodes", wrong="-1 is out of bounds", cure="should be greater"
        ),
    ),
    "a text for a number": (
        example(autoScale={"enabled": True, "maxNodes": "3"}),
        Said(field="spec.autoScale.maxNodes", wrong='not "3"', cure="must be a whole number"),
    ),
    "a target beyond all": (
        example(autoScale={**GROWING, "targetCPU": 170}),
        Said(
            field="spec.autoScale.targetCPU", wrong="170 is out", cure="less than or equal to 100"
        ),
    ),
    "a target as a text": (
        example(autoScale={**GROWING, "targetCPU": "70%"}),
        Said(field="spec.autoScale.targetCPU", wrong='not "70%"', cure="must be a whole number"),
    ),
    "a target on nobody's nodes": (
        example("web", labels=None, autoScale={**GROWING, "targetCPU": 70}),
        Said(field="spec.autoScale.targetCPU", wrong="needs a label", cure="Add labels: {pool: w"),
    ),
    "a label that no kubelet may set": (
        example(labels={"node-role.kubernetes.io/x": ""}),
        Said(field="spec.labels.node-role", wrong="would never join", cure="Choose another key"),
    ),
    "another's host name": (
        example(labels={"kubernetes.io/hostname": "a"}),
        Said(field="spec.labels.kubernetes.io/hostname", wrong="own name", cure="Remove it"),
    ),
    "a label that lies": (
        example(labels={"node.kubernetes.io/instance-type": "x"}),
        Said(field="spec.labels.node.kub", wrong="would call machines of", cure="Remove it"),
    ),
    "a label's key": (
        example(labels={"a b": "c"}),
        Said(field="spec.labels.a b", wrong=_LETTERS, cure="Choose another key"),
    ),
    "a label's value": (
        example(labels={"a": "b c"}),
        Said(field="spec.labels.a:", wrong=_LETTERS, cure="Choose another value"),
    ),
    "a switch for a label": (
        example(labels={"gpu": True}),
        Said(field="spec.labels.gpu", wrong="not true (a boolean)", cure="Put it in quotes"),
    ),
    "a taint without key": (
        example(taints=[{"effect": "NoSchedule"}]),
        Said(field="spec.taints[0].key", wrong="is missing", cure="Add the taint's key"),
    ),
    "a taint without effect": (
        example(taints=[{"key": "a"}]),
        Said(field="spec.taints[0].effect", wrong="is missing", cure="Add one of NoSchedule"),
    ),
    "an effect that is none": (
        example(taints=[{"key": "a", "effect": "NoShedule"}]),
        Said(field="spec.taints[0].effect", wrong='"NoShedule" is not', cure="mean NoSchedule?"),
    ),
    "a taint's value": (
        example(taints=[{"key": "a", "effect": "NoSchedule", "value": "b c"}]),
        Said(field="spec.taints[0].value", wrong=_LETTERS, cure="Choose another value"),
    ),
    "one taint twice": (
        refusals.RULES["one taint twice"][0],
        Said(field="spec.taints[1]", wrong="is there twice", cure="Remove one"),
    ),
    "a repair too soon": (
        example(repair={"notReadyFor": "1m"}),
        Said(field="spec.repair.notReadyFor", wrong="too short", cure="Say 5m at least"),
    ),
    "a time without its unit": (
        example(repair={"notReadyFor": "15"}),
        Said(field="spec.repair.notReadyFor", wrong='"15" is no duration', cure="like 15m"),
    ),
    "a misspelled repair": (
        example(repair={"unreadyFor": "15m"}),
        Said(field="spec.repair.unreadyFor", wrong="is not a known key", cure="notReadyFor"),
    ),
    "a join that is none": (
        example(join="rke"),
        Said(field="spec.join", wrong='"rke" is not', cure="one of 'kubeadm', 'k3s'"),
    ),
    "a join without its file": (
        example(join="raw"),
        Said(
            field="vpsNodes.defaults.hetzner.userDataFile in the server's file",
            wrong="is missing",
            cure="join: raw needs the file",
        ),
    ),
}
