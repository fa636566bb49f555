"""What hostile values do to the user-data: they are refused, or arrive as they are."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from externalgrpc.bootstrap import cloudconfig, joining, machine
from externalgrpc.model import groups
from externalgrpc.model.join_settings import JoinSettings
from tests import depth
from tests.bootstrap import guest, orders


def join_configuration(**join: Any) -> dict[str, Any]:
    files = guest.written(orders.user_data(**join))
    loaded: dict[str, Any] = json.loads(files["/etc/vps-autoscaler/secret/join.yaml"])
    return loaded


ANYTHING = st.text(max_size=30)
HOSTILE = st.one_of(
    ANYTHING,
    st.sampled_from(
        [
            *(
                "$(reboot)",
                "`reboot`",
                "'; reboot; '",
                '"; reboot; "',
                "a\nb: c",
                "- x",
                "#",
                "|",
                ">",
            ),
            *(
                "\x00",
                "\x1b[2J",
                "\u2028",
                "\x85",
                "\ud800",
                "{{ v1.x }}",
                "@ID@",
                "%s",
                "\\",
                "a,b=c",
            ),
            *(
                "../../etc/passwd",
                "yes",
                "1e3",
                "null",
                "~",
                "",
                " ",
                "é",
                "x" * 300,
                "a b",
                "$IFS",
            ),
        ]
    ),
)


@settings(deadline=None, max_examples=depth.examples(70))
@given(st.lists(HOSTILE, max_size=3), st.sampled_from(joining.METHODS))
def test_hooks_arrive_as_they_were_written(lines: list[str], method: str) -> None:
    try:
        data = orders.user_data(method=method, pre_join=tuple(lines), post_join=tuple(lines))
    except ValueError as error:
        assert "no script may hold" in str(error)
        return
    files = guest.written(data)
    for hook in ("pre-join", "post-join"):
        expected = "\n".join(lines) + "\n" if lines else None
        assert files.get(f"/etc/vps-autoscaler/{hook}") == expected
    assert guest.parsed(data)["runcmd"] == [[cloudconfig.SCRIPT]]


TEXT_SETTINGS = [
    *("api_server", "kubernetes_packages", "kubernetes_key", "containerd_packages"),
    *(
        "containerd_key",
        "sandbox_image",
        "k3s_installer",
        "k3s_version",
        "private_subnet",
        "gateway",
    ),
]


@settings(deadline=None, max_examples=depth.examples(70))
@given(st.sampled_from(TEXT_SETTINGS), HOSTILE, st.sampled_from(["", "https://example.org/"]))
def test_no_setting_gets_out_of_its_variable(name: str, evil: str, front: str) -> None:
    value = front + evil
    try:
        join = JoinSettings(**{name: value})
    except ValueError:
        return
    of = dataclasses.replace(orders.machine_of(), join=join)
    for method, join_credentials in (("kubeadm", orders.WAY_IN), ("k3s", orders.K3S_WAY_IN)):
        named = dataclasses.replace(of.group, join=method)
        try:
            data = joining.user_data(dataclasses.replace(of, group=named), join_credentials)
        except machine.Unjoinable:
            continue
        lines = guest.written(data)["/etc/vps-autoscaler/join.env"].splitlines()
        for line in lines:
            (word,) = shlex.split(line)
            assert word.partition("=")[0].isupper()


@settings(deadline=None, max_examples=depth.examples(70))
@given(HOSTILE, HOSTILE)
def test_labels_and_taints_are_refused_or_arrive_whole(key: str, value: str) -> None:
    taint = groups.Taint(key=key, value=value, effect="NoSchedule")
    for changed in ({"labels": {key: value}}, {"taints": (taint,)}, {"labels": {"a": value}}):
        try:
            registration = join_configuration(group=changed)["nodeRegistration"]
        except machine.Unjoinable:
            continue
        if "taints" in changed:
            assert registration["taints"] == [{"key": key, "value": value, "effect": "NoSchedule"}]
        else:
            arguments = {each["name"]: each["value"] for each in registration["kubeletExtraArgs"]}
            pairs = dict(pair.split("=") for pair in arguments["node-labels"].split(","))
            (name,) = changed["labels"]
            assert pairs[name] == value
            assert shlex.split(arguments["node-labels"]) == [arguments["node-labels"]]


@settings(deadline=None)
@given(HOSTILE)
def test_names_and_schemes_are_refused_or_harmless(evil: str) -> None:
    for changed in ({"node_name": evil}, {"scheme": evil}):
        try:
            of = dataclasses.replace(orders.machine_of(), **changed)
        except machine.Unjoinable:
            continue
        assert shlex.quote(evil) == evil
        assert guest.parsed(joining.user_data(of, orders.WAY_IN))


REFUSALS = {
    "the API server's address must look like https://host:6443",
    "the join token is not of the form id.secret",
    "the API server tells a version that is not one of Kubernetes 1",
    "the cluster's CA must be certificates in PEM form, and nothing else",
    "the cluster's CA holds something that is no certificate",
}


@settings(deadline=None)
@given(HOSTILE, st.sampled_from(["endpoint", "ca_pem", "token", "server_version"]))
def test_credentials_are_refused_without_being_reported(evil: str, name: str) -> None:
    try:
        join_credentials = dataclasses.replace(orders.WAY_IN, **{name: evil})
    except ValueError as error:
        assert str(error) in REFUSALS, "a sentence that does not depend on the value"
        return
    assert guest.parsed(joining.user_data(orders.machine_of(), join_credentials))


def test_a_real_shell_reads_the_variables_as_they_are() -> None:
    files = guest.written(orders.user_data(scheme="vultr", dns=("1.1.1.1", "9.9.9.9")))
    result = subprocess.run(
        [
            "bash",
            "-euc",
            files["/etc/vps-autoscaler/join.env"]
            + 'printf "%s\\n" "$DNS" "$ID_PATTERN" "$CONTAINERD_KEY"',
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert result == [
        "1.1.1.1 9.9.9.9",
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "https://download.docker.com/linux/{os}/gpg",
    ]
