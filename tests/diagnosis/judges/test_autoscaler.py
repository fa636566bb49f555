"""How the autoscaler is deployed, and how its flags are read."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.diagnosis.facts import Container
from externalgrpc.diagnosis.judges import autoscaler, flags
from externalgrpc.pb import fleet_pb2 as pb
from tests.diagnosis import given


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["ca", "--a=1", "--b=x=y"], {"a": ("1",), "b": ("x=y",)}),
        (["ca", "--a", "1", "--b"], {"a": ("1",), "b": ("",)}),
        (["--a=1", "--a=2"], {"a": ("1", "2")}),
        (["sh", "-c", "exec ./ca --a=1 --b '2 3'"], {"c": ("exec",), "a": ("1",), "b": ("2 3",)}),
        (["sh", "-c", "ca --a='"], {"c": ("ca",), "a": ("'",)}),
        (["-v=4", "--"], {"v": ("4",)}),
    ],
)
def test_flags_are_read_as_pflag_reads_them(words: list[str], fields: dict) -> None:
    assert flags.parse(words) == fields


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900.0),
        ("1h30m0s", 5400.0),
        ("1.5h", 5400.0),
        ("500ms", 0.5),
        ("0", 0.0),
        ("15", None),
        ("", None),
        ("15m ", None),
        ("x15m", None),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float | None) -> None:
    assert flags.duration_s(text) == seconds


@pytest.mark.parametrize(
    ("image", "minor"),
    [
        ("registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.1", 36),
        ("host:5000/cluster-autoscaler:1.29.0-rke2", 29),
        ("cluster-autoscaler:v1.36.1@sha256:00", 36),
        ("cluster-autoscaler@sha256:1.36", None),
        ("host:5000/cluster-autoscaler", None),
        ("cluster-autoscaler:latest", None),
    ],
)
def test_the_release_is_read_out_of_the_tag(image: str, minor: int | None) -> None:
    assert flags.release(image) == minor


@pytest.mark.parametrize(
    ("image", "words", "is_one"),
    [
        ("registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.1", (), True),
        ("mirror/cluster-autoscaler-amd64:v1.36.1", (), True),
        ("mine/ca:1", ("./cluster-autoscaler", "--v=1"), True),
        ("mine/ca:1", ("/bin/sh", "-c", "/opt/cluster-autoscaler --v=1"), True),
        ("registry.k8s.io/cpa/cluster-proportional-autoscaler:1", (), False),
        ("vps-autoscaler:1", ("serve", "--config=/cluster-autoscaler"), False),
        ("mine/cluster-autoscaler-exporter:1", (), False),
    ],
)
def test_an_autoscaler_is_known_by_image_or_command(
    image: str, words: tuple[str, ...], is_one: object
) -> None:
    made = given.autoscaler(containers=(Container(name="c", image=image, words=words),))
    assert bool(flags.find([made])) is is_one


SERVER = given.deployed("vps-autoscaler:1", "serve", name="vps")
AWAY = given.autoscaler(replicas=0)
OTHER = given.autoscaler("--cloud-provider=hetzner", without="cloud-provider")


def with_workloads(*its: object) -> object:
    return given.facts(cluster={"workloads": its})


@pytest.mark.parametrize(
    ("there", "word"),
    [
        ((), "no cluster-autoscaler runs in this cluster"),
        ((AWAY,), "no cluster-autoscaler runs in this cluster"),
        ((OTHER,), "uses this server: Deployment vps-autoscaler/cluster-autoscaler (hetzner)"),
    ],
)
def test_no_autoscaler_of_ours(there: tuple, word: str) -> None:
    assert word in given.trouble(with_workloads(SERVER, *there)).what
    # Where there is no server either, both may run elsewhere.
    assert word in given.warning(with_workloads(*there)).what
    assert "elsewhere cannot be seen" in given.warning(with_workloads(*there)).cure


def test_another_clouds_beside_ours_is_nobodys_trouble() -> None:
    other = given.autoscaler("--cloud-provider=aws", without="cloud-provider", name="aws")
    of = given.facts(cluster={"workloads": (given.autoscaler(), other)})
    assert given.judged(of) == []


def test_workloads_that_were_not_seen_are_not_missed() -> None:
    assert given.judged(given.facts(cluster={"workloads": None})) == []


def several(*made: object) -> list[str]:
    of = given.facts(cluster={"workloads": made})
    return [each.what for each in autoscaler.judge(of) if "several" in each.what]


def test_two_autoscalers_with_leases_of_their_own() -> None:
    assert several(given.autoscaler(), given.autoscaler("--namespace=other", name="b"))
    assert several(given.autoscaler(), given.autoscaler("--leader-elect-resource-name=b", name="b"))


def test_replicas_that_elect_a_leader_are_one_autoscaler() -> None:
    assert not several(given.autoscaler(replicas=3))
    assert not several(given.autoscaler(), given.autoscaler(name="b"))
    assert several(given.autoscaler("--leader-elect=false", replicas=2))
    assert not several(given.autoscaler("--leader-elect=false"))


def with_flags(*words: str, without: str = "", its: tuple = (), **changed: object) -> object:
    made = given.autoscaler(*words, without=without, **changed)
    return given.facts(*its, cluster={"workloads": (made,)})


FLOOR = given.group(min_size=1)


def test_the_cloud_config_is_needed() -> None:
    assert "has no --cloud-config" in given.trouble(with_flags(without="cloud-config")).what


def test_flags_that_are_ignored() -> None:
    found = given.warning(with_flags("--nodes=1:3:web", "--node-group-auto-discovery=x"))
    assert "--nodes, --node-group-auto-discovery, which externalgrpc ignores" in found.what


def test_scale_down_switched_off() -> None:
    assert "scale-down-enabled" in given.trouble(with_flags("--scale-down-enabled=false")).what
    assert given.judged(with_flags("--scale-down-enabled")) == []


def test_a_minimum_that_nobody_enforces() -> None:
    without = with_flags(without="enforce", its=(FLOOR,))
    found = given.trouble(without)
    assert found.what.endswith("groups have a minSize: web")
    assert found.cure == "Add --enforce-node-group-min-size=true"
    assert given.judged(with_flags(without="enforce")) == []
    off = with_flags("--enforce-node-group-min-size=false", without="enforce", its=(FLOOR,))
    assert "minSize" in given.trouble(off).what


def test_unregistered_machines_at_the_minimum() -> None:
    assert "--force-delete" in given.warning(with_flags(without="force-delete", its=(FLOOR,))).cure
    assert given.judged(with_flags(without="force-delete")) == []
    old = with_flags(without="force-delete", its=(FLOOR,), image="cluster-autoscaler:v1.31.0")
    assert given.judged(old) == []


def test_less_time_to_register_than_the_group_is_meant_to_have() -> None:
    found = given.warning(with_flags("--max-node-provision-time=12m"))
    assert found.what.endswith("12m to register, less than groups are meant to have: web (15m)")
    assert "--max-node-provision-time=15m" in found.cure
    assert given.judged(with_flags("--max-node-provision-time=20m")) == []


def patient(seconds: float = 1800.0) -> object:
    overrides = dataclasses.replace(given.group().overrides, max_node_provision_time_s=seconds)
    return given.group(overrides=overrides)


def test_a_groups_own_time_is_passed_on_but_to_releases_that_get_no_options() -> None:
    newer = "cluster-autoscaler:v1.34.2"
    assert given.judged(with_flags(its=(patient(),), image=newer)) == []
    findings = given.judged(with_flags(its=(patient(),), image="cluster-autoscaler:v1.28.0"))
    assert any("gives machines 15m to register" in each for each in findings)
    assert any("1.29 to 1.37 were tested" in each for each in findings)
    assert len(findings) == 2


def test_options_mislead_releases_from_1_35() -> None:
    assert "kubernetes/autoscaler#10245" in given.warning(with_flags(its=(patient(),))).why


def test_a_join_that_may_last_longer_than_its_machine() -> None:
    of = with_flags(its=(given.group(join_timeout_seconds=1000),))
    assert "joins of group web may take 16m, machines are given up after 15m" in (
        given.warning(of).what
    )


def test_templates_that_are_kept_for_ten_years() -> None:
    assert "node-info-cache" in given.warning(with_flags(without="node-info-cache")).what


def test_groups_without_a_price_under_the_price_expander() -> None:
    priceless = given.show(given.group())
    priceless.groups[0].price_per_hour = ""
    found = given.trouble(given.facts(shown=priceless))
    assert "there is no price of: web" in found.what
    made = given.autoscaler("--expander=least-waste", without="expander")
    other = given.facts(shown=priceless, cluster={"workloads": (made,)})
    assert given.judged(other) == []


def test_a_departed_group_needs_no_price() -> None:
    shown = given.show(given.group())
    shown.groups.append(pb.Group(id="old", departed=True))
    assert given.judged(given.facts(shown=shown)) == []


@pytest.mark.parametrize(("minor", "fine"), [(28, False), (29, True), (37, True), (38, False)])
def test_releases_that_were_tested(minor: int, fine: object) -> None:
    findings = given.judged(with_flags(image=f"cluster-autoscaler:v1.{minor}.0"))
    assert (not findings) is fine


def test_too_many_unready_nodes_stop_it() -> None:
    sick = [given.node(f"n{n}", ready=False, provider_id=f"x://{n}") for n in range(4)]
    well = [given.node(f"w{n}", provider_id=f"x://w{n}") for n in range(3)]
    of = given.facts(cluster={"nodes": (given.node(), *sick, *well)})
    found = given.trouble(of)
    assert "4 of 8 Nodes are not Ready: n0, n1, n2, n3" in found.what
    few = given.facts(cluster={"nodes": (given.node(), *sick[:3])})
    assert given.judged(few) == []
    more = [given.node(f"v{n}", provider_id=f"x://v{n}") for n in range(3)]
    assert given.judged(given.facts(cluster={"nodes": (given.node(), *sick, *well, *more)})) == []


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--a=1", "x"], {"a": ("1",)}),
        (["--a", "--b", "1"], {"a": ("",), "b": ("1",)}),
        (["--a=", "x"], {"a": ("",)}),
        (["ca", "--a=1 --b=2"], {"a": ("1 --b=2",)}),
        (["sh", "-c", "ca", "--a=1"], {"c": ("ca",), "a": ("1",)}),
        ([], {}),
    ],
)
def test_flags_are_cut_where_the_parser_cuts_them(words: list[str], fields: dict) -> None:
    assert flags.parse(words) == fields


DIGEST = "mirror/cluster-autoscaler@sha256:0123"


def test_a_release_that_is_not_known_is_not_judged() -> None:
    assert given.judged(with_flags(image=DIGEST)) == []
    assert given.judged(with_flags(image=DIGEST, its=(patient(),))) == []
    # Whether it knows the flag is not known: it is reported.
    result = given.warning(with_flags(without="force-delete", its=(FLOOR,), image=DIGEST))
    assert "--force-delete-unregistered-nodes" in result.cure


def test_a_raw_group_has_no_join_that_could_last_too_long() -> None:
    raw = given.group(join="raw", join_timeout_seconds=1000)
    assert given.judged(given.facts(raw, endpoint_probes=())) == []


def test_without_the_server_no_price_is_missed() -> None:
    assert given.judged(given.change(given.facts(), server=None)) == []


def test_the_clusters_release_is_reported_beside_the_autoscalers() -> None:
    of = with_flags(image="cluster-autoscaler:v1.38.0")
    assert "release 1.38 (the cluster is v1.36.2); 1.29 to 1.37" in given.warning(of).what
    cluster = {**{"version": "", "minor": None}, "workloads": of.cluster.workloads}
    assert "release 1.38; 1.29" in given.warning(given.facts(cluster=cluster)).what


def test_an_autoscaler_that_names_no_cloud() -> None:
    assert "(no --cloud-provider)" in given.warning(with_flags(without="cloud-provider")).what


def test_the_groups_own_option_is_a_cure_only_where_it_is_passed_on() -> None:
    assert "maxNodeProvisionTime" in given.warning(with_flags("--max-node-provision-time=12m")).cure
    old = with_flags("--max-node-provision-time=12m", image="cluster-autoscaler:v1.28.0")
    cures = [each.cure for each in autoscaler.judge(old)]
    assert "Set --max-node-provision-time=15m" in cures
