"""Every refusal of our own says where, why, and what to write instead; the table is whole.

What the API server refuses is in :mod:`tests.kubero.test_real_refusals`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from externalgrpc import config
from externalgrpc.config import objects
from externalgrpc.kubero import pools
from externalgrpc.model import groups, installed_clouds
from externalgrpc.vpsnodes import composing, spec
from tests.kubero import refusals
from tests.kubero.cluster import Object, example
from tests.kubero.refusals import Said
from tests.kubero.refused_files import FILES
from tests.kubero.refused_specs import GROWING, SPECS
from tests.kubero.test_pools import CHOICE, SCALING, app, applied, plan

FILE = """
cluster: test
kubernetes: {}
accounts:
- {name: hetzner, provider: hetzner, tokenFile: token}
- {name: one, provider: vultr, tokenFile: token}
- {name: two, provider: vultr, tokenFile: other}
vpsNodes: {defaults: {hetzner: {image: debian-13, join: image}}}
"""


@dataclasses.dataclass
class Judging:
    """The server's own judgement, with its file read once."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "token").write_text("t" * 64)
        (self.folder / "other").write_text("u" * 64)
        path = self.folder / "pools.yaml"
        path.write_text(FILE)
        self.source = config.Source(
            path=path, cluster="", environ={}, installed=installed_clouds.installed()
        )
        self.file = config.load(path, cluster="", environ={}, clouds=self.source.installed)

    def __call__(self, what: Object) -> composing.Verdict:
        """Compose with one object; return what is said of it, as the condition Accepted has it."""
        name, given = what["metadata"]["name"], what["spec"]
        composer = composing.Composer(self._judge)
        there = {name: composing.objects.VpsNode(name=name, uid="u", spec=given)}
        fine = composing.Verdict(ok=True, reason=composing.ACCEPTED)
        made = composer.compose(self.file, there, sold=lambda _group: fine, unusable={})
        return made.standings[name].verdict

    def _judge(self, name: str, given: composing.objects.Spec) -> objects.Judged:
        assert self.file.vps_nodes is not None
        entry = spec.entry(name, given, self.file.vps_nodes.defaults)
        return objects.judge(entry, self.source, self.file)


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> Judging:
    return Judging(tmp_path_factory.mktemp("file"))


@pytest.mark.parametrize("what", SPECS)
def test_a_spec_that_is_refused(judging: Judging, what: str) -> None:
    wrong, said = SPECS[what]
    verdict = judging(wrong)
    assert verdict.ok is False
    assert said.of(verdict.message) == [], verdict.message
    assert verdict.message.startswith(said.field), "the field comes first"


def test_what_is_right_is_refused_by_nobody(judging: Judging) -> None:
    assert judging(example("web", autoScale={**GROWING, "targetCPU": 70})).ok
    assert judging(example("web", autoScale=None)).ok


def test_a_fixed_number_is_refused_once_and_by_the_field_that_is_there(judging: Judging) -> None:
    message = judging(example(autoScale={"minNodes": -1})).message
    assert message.count("out of bounds") == 1
    assert "maxNodes" not in message


def test_names_and_nodes_that_others_have() -> None:
    """What only shows beside the file and other objects is said at its field too."""
    fine = composing.Verdict(ok=True, reason=composing.ACCEPTED)

    def group(name: str, target: int | None = None) -> groups.NodeGroup:
        of = (groups.Candidate("cx23", "fsn1"),)
        return groups.NodeGroup(
            name=name,
            account="a",
            candidates=of,
            min_size=0,
            max_size=3,
            labels={"a": "b"},
            target_cpu=target,
        )

    account = groups.Account(name="a", provider="hetzner")
    file = groups.Config(cluster="test", accounts={"a": account}, groups=(group("alpha"),))
    given = example(autoScale={**GROWING, "targetCPU": 70})["spec"]
    composer = composing.Composer(
        lambda name, _given: objects.Judged(group=group(name, 70), account=account)
    )
    there = {
        name: composing.objects.VpsNode(name=name, uid=name, spec=given)
        for name in ("alpha", "web")
    }
    made = composer.compose(file, there, sold=lambda _group: fine, unusable={}).standings
    taken = Said(field="alpha", wrong="the file wins", cure="give the VPSNode another name, or")
    assert taken.of(made["alpha"].verdict.message) == []
    shared = Said(
        field="spec.autoScale.targetCPU",
        wrong='would be kept on nodes of "alpha" as well',
        cure="Give this group a label of its own, as pool: web",
    )
    assert shared.of(made["web"].verdict.message) == []


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_refused(tmp_path: Path, what: str) -> None:
    """Of appPools, and of room: who writes it is the operator."""
    text, said = FILES[what]
    path = tmp_path / "pools.yaml"
    path.write_text(text)
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, cluster="", environ={}, clouds=installed_clouds.installed())
    (line,) = (each for each in str(caught.value).splitlines() if said.field in each)
    assert said.of(line) == [], line


# Pools of apps: what an Event on the KuberoApp says.


def _there(**changes: Any) -> dict[str, Any]:
    """Return the pool of the app shop/web as it is, but for changes."""
    ((name, made),) = applied(plan([app()])).items()
    return {name: dataclasses.replace(made, **changes)}


def _third() -> pools.Plan:
    """Plan three apps that want three nodes each, of seven."""
    return plan([app(f"a{n}", autoScaling={**SCALING, "maxNodes": 3}) for n in range(3)])


APPS: dict[str, tuple[pools.Plan, str, Said]] = {
    "another namespace": (
        plan([app(namespace="other")]),
        pools.NOT_ALLOWED,
        Said(field="namespace other", wrong="no pools of their own", cure="appPools.namespaces"),
    ),
    "no choice": (
        plan([app(customNodeSelector=None)]),
        pools.NOT_ALLOWED,
        Said(
            field="customNodeSelector.provider",
            wrong="is missing",
            cure="write one of hetzner, vultr.",
        ),
    ),
    **{
        f"another {key}": (
            plan([app(customNodeSelector={**CHOICE, key: "other"})]),
            pools.NOT_ALLOWED,
            Said(
                field=f"customNodeSelector.{key}", wrong='is "other"', cure=f"write one of {cure}"
            ),
        )
        for key, cure in (
            ("provider", "hetzner, vultr."),
            ("region", "fsn1."),
            ("instanceType", "cx23, cx33."),
        )
    },
    "no most": (
        plan([app(autoScaling={"enabled": True})]),
        pools.INVALID,
        Said(field="autoScaling.maxNodes", wrong="is missing", cure="write the most nodes"),
    ),
    "a most of none": (
        plan([app(autoScaling={"enabled": True, "maxNodes": 0})]),
        pools.INVALID,
        Said(field="autoScaling.maxNodes", wrong="not a whole number of at", cure="write the most"),
    ),
    "more at least than at most": (
        plan([app(autoScaling={"enabled": True, "minNodes": 3, "maxNodes": 2})]),
        pools.INVALID,
        Said(field="autoScaling.minNodes", wrong="between 0 and maxNodes (2)", cure="write one"),
    ),
    "a percentage that is none": (
        plan([app(autoScaling={**SCALING, "targetCPU": 101})]),
        pools.INVALID,
        Said(
            field="autoScaling.targetCPU", wrong="not a whole number of percent", cure="write one"
        ),
    ),
    "a name that no label holds": (
        plan([app("a" * 64)]),
        pools.INVALID,
        Said(field="The app's name", wrong="longer than 63", cure="give the app a shorter name"),
    ),
    "more than an app may have": (
        plan([app(autoScaling={**SCALING, "maxNodes": 4})]),
        pools.LIMIT,
        Said(field="autoScaling.maxNodes is 4", wrong="one app may have 3", cure="lower it, or"),
    ),
    "more than all may have": (
        _third(),
        pools.LIMIT,
        Said(
            field="autoScaling.maxNodes", wrong="All apps together may have 7", cure="lower autoS"
        ),
    ),
    "pods that go elsewhere": (
        plan([app(nodeSelector={"a": "b"})]),
        pools.NOT_PLACED,
        Said(field="nodeSelector", wrong="does not lead to a pool", cure="remove nodeSelector"),
    ),
    "a name that is taken": (
        plan([app()], _there(annotations={})),
        pools.TAKEN,
        Said(field=pools.name_of("shop", "web"), wrong="is not this app's", cure="another name"),
    ),
    "a pool that is going": (
        plan([app()], _there(deleting=True)),
        pools.WAITING,
        Said(field=pools.name_of("shop", "web"), wrong="an earlier app", cure="Nothing is to be"),
    ),
}


@pytest.mark.parametrize("what", APPS)
def test_an_app_that_is_refused(what: str) -> None:
    planned, reason, said = APPS[what]
    (refused,) = planned.refused.values()
    assert refused.reason == reason
    assert said.of(str(refused)) == [], str(refused)


def test_what_an_app_wrote_cannot_forge_a_line_of_the_event() -> None:
    planned = plan([app(customNodeSelector={**CHOICE, "region": "a\n\u202eb"})])
    assert "\n" not in str(planned.refused["shop/web"])
    assert "\u202e" not in str(planned.refused["shop/web"])


# Nothing is left out of the tables.


def test_every_reason_has_its_row() -> None:
    assert {reason for _, reason, _ in APPS.values()} == {
        each for each in vars(pools).values() if isinstance(each, str) and each.startswith("Pool")
    }


def test_every_rule_of_the_crd_has_its_row() -> None:
    known = [*(said for _, said in refusals.RULES.values()), refusals.MOVED]
    silent = [each for each in refusals.messages() if not any(s.wrong in each for s in known)]
    assert silent == []


def test_no_field_of_a_spec_is_refused_with_a_regular_expression() -> None:
    bad = [
        path
        for path, schema in refusals.walk(refusals.schema(), "")
        if schema.keys() & {"pattern", "format", "not", "oneOf", "anyOf", "allOf"}
    ]
    assert bad == []


def test_a_bound_is_broken_for_every_keyword_that_a_spec_has() -> None:
    names = [name for name, _, _ in refusals.bounds()]
    assert len(names) == len(set(names))
    for wanted in ("spec.provider enum", "spec.taints[] required key", "spec.labels.{} maxLength"):
        assert wanted in names
