"""Every rule of the file, one row each: what is written, and the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.config.mistakes import MAX_REPORTED
from tests.config import fake_clouds
from tests.config.test_loading import BARE, SEED, load, mistakes

HEAD = "nodes:\n- "
GROUP = {
    "name": "a",
    "maxSize": "3",
    "instanceType": "small",
    "provider": "dream",
    "region": "north",
}


def group(**changed: str | None) -> str:
    """Write a file with one right group, some keys of it changed or removed (None)."""
    lines = [f"{key}: {value}" for key, value in {**GROUP, **changed}.items() if value is not None]
    return HEAD + "\n  ".join(lines) + "\n"


def test_the_group_that_the_rows_start_from_is_right(tmp_path: Path) -> None:
    assert load(tmp_path, group()).groups[0].name == "a"


ROWS = [
    # what is in a group, and the message about it
    ({"minsize": "1"}, "7:3 nodes[0].minsize: is not a known key. Did you mean minSize?"),
    ({"zzz": "1"}, "7:3 nodes[0].zzz: is not a known key. Known: account, anyNodeName,"),
    ({"name": None}, "2:3 nodes[0].name: is missing. Give the group a name"),
    ({"name": "A"}, '2:9 nodes[0].name: "A" is not a lower-case name'),
    ({"name": "1a"}, '2:9 nodes[0].name: "1a" is not a lower-case name'),
    ({"name": "a-"}, '2:9 nodes[0].name: "a-" is not a lower-case name'),
    ({"name": "a.b"}, '2:9 nodes[0].name: "a.b" is not a lower-case name'),
    ({"name": "a--b"}, '2:9 nodes[0].name: "a--b" holds two dashes in a row'),
    (
        {"name": "a" * 41},
        '2:9 nodes[0].name: "' + "a" * 41 + '" is 41 characters long; at most 40',
    ),
    ({"name": "12"}, "2:9 nodes[0].name: must be a text, not 12 (a number). Put it in quotes"),
    ({"name": ""}, "2:8 nodes[0].name: has no value. Give it one, or remove the line"),
    (
        {"targetCPU": "0"},
        "7:14 nodes[0].targetCPU: 0 is out of bounds",
    ),
    ({"targetCpu": "70"}, "7:3 nodes[0].targetCpu: is not a known key. Did you mean targetCPU?"),
    (
        {"targetCPU": "70", "labels": "{pool: a}"},
        "7:3 nodes[0].targetCPU: needs to know the cluster",
    ),
    ({"headroom": "{nodes: 1}"}, "7:3 nodes[0].headroom: needs to know the cluster"),
    (
        {"headroom": "{nodes: 4}", "labels": "{pool: a}"},
        "7:21 nodes[0].headroom.nodes: 4 is more than maxSize 3. Lower it, or raise maxSize",
    ),
    (
        {"headroom": "{nodes: 1, cpu: 2}", "labels": "{pool: a}"},
        "7:24 nodes[0].headroom.cpu: is given beside nodes. Keep one of nodes and cpu",
    ),
    ({"minSize": "4"}, "7:12 nodes[0].minSize: 4 is more than maxSize 3. Lower minSize or raise"),
    ({"minSize": "-1"}, "7:12 nodes[0].minSize: -1 is out of bounds"),
    ({"maxSize": "-1"}, "3:12 nodes[0].maxSize: -1 is out of bounds"),
    ({"maxSize": "10001"}, "3:12 nodes[0].maxSize: 10001 is out of bounds"),
    ({"maxSize": "3.5"}, "3:12 nodes[0].maxSize: must be a whole number, not 3.5 (a number)"),
    ({"maxSize": '"3"'}, '3:12 nodes[0].maxSize: must be a whole number, not "3"'),
    ({"maxSize": "true"}, "3:12 nodes[0].maxSize: must be a whole number, not true (a boolean)"),
    ({"maxSize": "010"}, '3:12 nodes[0].maxSize: is "010" without quotes, which can be taken'),
    ({"maxSize": "0x10"}, '3:12 nodes[0].maxSize: is "0x10" without quotes'),
    ({"maxSize": "1_000"}, '3:12 nodes[0].maxSize: is "1_000" without quotes'),
    ({"maxSize": "1:30"}, '3:12 nodes[0].maxSize: is "1:30" without quotes'),
    ({"maxSize": "1e3"}, '3:12 nodes[0].maxSize: is "1e3" without quotes'),
    ({"maxSize": ".inf"}, '3:12 nodes[0].maxSize: is ".inf" without quotes'),
    ({"maxSize": "9" * 30}, '3:12 nodes[0].maxSize: is "999999999999999999999999999999" without'),
    ({"maxSize": None}, "2:3 nodes[0].maxSize: is missing. Say how large the group may become"),
    ({"instanceType": None}, "2:3 nodes[0].instanceType: is missing. Add instanceType, or"),
    ({"instanceTypes": "[b]"}, "7:3 nodes[0].instanceTypes: is given beside instanceType. Keep"),
    ({"instanceType": None, "instanceTypes": "[]"}, "6:18 nodes[0].instanceTypes: is empty"),
    ({"instanceType": None, "instanceTypes": "b"}, "6:18 nodes[0].instanceTypes: must be a list"),
    (
        {"instanceType": None, "instanceTypes": "[b, b]"},
        '6:22 nodes[0].instanceTypes[1]: "b" is',
    ),
    (
        {"instanceType": None, "instanceTypes": "[1]"},
        "6:19 nodes[0].instanceTypes[0]: must be a",
    ),
    ({"instanceType": "'a b'"}, '4:17 nodes[0].instanceType: "a b" is not made of letters'),
    ({"instanceType": "''"}, '4:17 nodes[0].instanceType: "" is empty'),
    ({"region": None}, "2:3 nodes[0].region: is missing"),
    ({"regions": "[x]"}, "7:3 nodes[0].regions: is given beside region"),
    ({"region": None, "regions": "[]"}, "6:12 nodes[0].regions: is empty"),
    ({"region": "no"}, "6:11 nodes[0].region: is no without quotes, a boolean in YAML. Quote it"),
    ({"provider": None}, "2:3 nodes[0].provider: is missing. Add one of"),
    ({"provider": "drem"}, '5:13 nodes[0].provider: "drem" is not an installed cloud. Did you me'),
    (
        {"provider": "zzzzzz"},
        '5:13 nodes[0].provider: "zzzzzz" is not an installed cloud. Known: d',
    ),
    ({"account": "other"}, '7:12 nodes[0].account: "other" is no account'),
    ({"labels": "{a b: x}"}, '7:12 nodes[0].labels.a b: the label key "a b" is not made of'),
    (
        {"labels": "{Ab.c/x: x}"},
        '7:12 nodes[0].labels.Ab.c/x: the label key "Ab.c/x" has a prefix',
    ),
    ({"labels": '{a: "x y"}'}, '7:15 nodes[0].labels.a: the label value "x y" is not made of'),
    ({"labels": f"{{a: {'x' * 64}}}"}, "7:15 nodes[0].labels.a: the label value"),
    ({"labels": "{a: yes}"}, "7:15 nodes[0].labels.a: is yes without quotes, a boolean in YAML"),
    ({"labels": "{on: x}"}, "7:12 nodes[0].labels: a key here is on without quotes, a boolean"),
    ({"labels": "{1: x}"}, "7:12 nodes[0].labels: a key here is not a text. Put it in quotes"),
    ({"labels": "{a: 1}"}, "7:15 nodes[0].labels.a: must be a text, not 1 (a number). Put it in"),
    ({"labels": "[a]"}, "7:11 nodes[0].labels: must be a mapping, not a list"),
    (
        {"labels": "{node-role.kubernetes.io/worker: ''}"},
        "7:12 nodes[0].labels.node-role.kubernetes.io/worker: the label key "
        '"node-role.kubernetes.io/worker" may not be set by a kubelet on its own node',
    ),
    ({"taints": "[{key: a}]"}, "7:12 nodes[0].taints[0].effect: is missing. Add one of NoSchedul"),
    ({"taints": "[{effect: NoExecute}]"}, "7:12 nodes[0].taints[0].key: is missing"),
    (
        {"taints": "[{key: a, effect: Noschedule}]"},
        "7:29 nodes[0].taints[0].effect: \"Noschedule\" is not one of 'NoSchedule', '"
        "PreferNoSchedule' or 'NoExecute'. Did you mean NoSchedule?",
    ),
    (
        {"taints": "[{key: a, effect: NoExecute}, {key: a, value: b, effect: NoExecute}]"},
        "7:41 nodes[0].taints[1]: a:NoExecute is there twice",
    ),
    (
        {"taints": "[{key: a/b/c, effect: NoExecute}]"},
        '7:18 nodes[0].taints[0].key: the taint key "a/b/c" has a prefix that is not',
    ),
    (
        {"taints": "[{key: a, value: 'b c', effect: NoExecute}]"},
        '7:28 nodes[0].taints[0].value: the taint value "b c" is not made',
    ),
    ({"taints": "[{key: a, efect: NoExecute}]"}, "7:21 nodes[0].taints[0].efect: is not a known"),
    ({"image": "24.04"}, "7:10 nodes[0].image: must be a text, not 24.04 (a number). Put it in q"),
    (
        {"join": "magic"},
        "7:9 nodes[0].join: \"magic\" is not one of 'kubeadm', 'k3s', 'raw' or 'image'",
    ),
    ({"join": "raw"}, "2:3 nodes[0].userDataFile: is missing. join: raw needs the file"),
    ({"userDataFile": "gone.sh"}, "7:17 nodes[0].userDataFile: the user-data file "),
    ({"userDataFile": "."}, "7:17 nodes[0].userDataFile: the user-data file "),
    ({"userDataFile": '"a\\0b"'}, "7:17 nodes[0].userDataFile: holds a control character"),
    ({"sshKeys": "[1]"}, "7:13 nodes[0].sshKeys[0]: must be a text, not 1 (a number)"),
    ({"publicIPv4": "yes"}, "7:15 nodes[0].publicIPv4: is yes without quotes, a boolean in YAML."),
    ({"publicIPv4": '"true"'}, '7:15 nodes[0].publicIPv4: must be true or false, not "true"'),
    (
        {"publicIpv4": "true"},
        "7:3 nodes[0].publicIpv4: is not a known key. Did you mean publicIPv",
    ),
    ({"serverLabels": "{a/: x}"}, '7:18 nodes[0].serverLabels.a/: the label key "a/" is not made'),
    (
        {"serverLabels": "{vps-autoscaler/cluster: x}"},
        '7:18 nodes[0].serverLabels.vps-autoscaler/cluster: the label key "vps-autoscaler/cluster" '
        "is kept for our own marks",
    ),
    (
        {"kubelet": "{maxpods: 3}"},
        "7:13 nodes[0].kubelet.maxpods: is not a known key. Did you mea",
    ),
    ({"kubelet": "{maxPods: 0}"}, "7:22 nodes[0].kubelet.maxPods: 0 is out of bounds"),
    (
        {"kubelet": "{cpu: 1x}"},
        '7:18 nodes[0].kubelet.cpu: "1x" is no cpu quantity. Write 100m or',
    ),
    ({"kubelet": "{memory: -1Mi}"}, "7:21 nodes[0].kubelet.memory: must not be negative"),
    ({"kubelet": "{memory: true}"}, "7:21 nodes[0].kubelet.memory: must be a quantity, not true"),
    ({"kubelet": "{memory: 1Ei}"}, "7:21 nodes[0].kubelet.memory: is larger than any machine"),
    ({"kubelet": "{memoryOverheadPercent: 100}"}, "7:36 nodes[0].kubelet.memoryOverheadPercent:"),
    (
        {"autoscalingOptions": "{scaleDownUnneededTime: 10}"},
        "7:47 nodes[0].autoscalingOptions.scaleDownUnneededTime: must be a duration with its unit, "
        "not 10 (a number). Write it like 15m",
    ),
    (
        {"autoscalingOptions": "{scaleDownUnneededTime: 10 minutes}"},
        '7:47 nodes[0].autoscalingOptions.scaleDownUnneededTime: "10 minutes" is no duration',
    ),
    (
        {"autoscalingOptions": "{maxNodeProvisionTime: 0s}"},
        "7:46 nodes[0].autoscalingOptions.maxNodeProvisionTime: 0s is not between",
    ),
    (
        {"autoscalingOptions": "{scaleDownUtilizationThreshold: 50}"},
        "7:55 nodes[0].autoscalingOptions.scaleDownUtilizationThreshold: 50 is out of bounds",
    ),
    ({"options": "{x: 1}"}, "7:13 nodes[0].options.x: is not a known key. There are none"),
    ({"options": "7"}, "7:12 nodes[0].options: must be a mapping, not 7 (a number)"),
    (
        {"provider": "plain", "networks": "[a]"},
        "7:3 nodes[0].networks: is something this cloud",
    ),
    (
        {"provider": "plain", "publicIPv6": "false"},
        "7:3 nodes[0].publicIPv6: is something this",
    ),
    (
        {"provider": "plain", "placementGroup": "x"},
        "7:3 nodes[0].placementGroup: is something this",
    ),
    ({"provider": "own", "options": "{}"}, "7:12 nodes[0].options.count: is missing. Add it"),
    ({"provider": "own", "options": "{count: -1}"}, "7:12 nodes[0].options: count -1 is negative"),
    (
        {"provider": "own", "options": "{count: 1, parts: [{nam: x}]}"},
        "7:32 nodes[0].options.parts[0].nam: is not a known key. Did you mean name?",
    ),
    (
        {"provider": "own", "options": "{count: 1, colour: green}"},
        "7:31 nodes[0].options.colour: \"green\" is not one of 'red' or 'blue'",
    ),
    (
        {"provider": "own", "options": "{count: 1, byName: {x: {name: a, weight: heavy}}}"},
        '7:53 nodes[0].options.byName.x.weight: must be a number, not "heavy"',
    ),
    (
        {"name": "a\n  name: b"},
        "3:3 nodes[0].name: is given twice; the first is in line 2. Remove",
    ),
    ({"name": "!!binary YQ=="}, "2:9 nodes[0].name: carries a YAML tag. Remove the tag"),
    ({"labels": "!!set {a}"}, "7:11 nodes[0].labels: carries a YAML tag. Remove the tag"),
]


@pytest.mark.parametrize(("changed", "text"), ROWS, ids=[result[:60] for _changed, result in ROWS])
def test_a_mistake_in_a_group_is_reported(
    tmp_path: Path, changed: dict[str, str | None], text: str
) -> None:
    found = mistakes(tmp_path, group(**changed))
    assert any(each.startswith(text) for each in found), found


TOP = [
    ("nodes: []\n", "1:8 nodes: is empty. List at least one node group"),
    ("nodes:\n", "1:7 nodes: has no value"),
    ("nodes: x\n", '1:8 nodes: must be a list, not "x"'),
    ("nodes: [x]\n", '1:9 nodes[0]: must be a mapping, not "x"'),
    ("cluster: demo\n", "1:1 nodes: is missing. List the node groups under nodes:"),
    ("[]\n", "1:1 is not a mapping. Begin with the key nodes:"),
    ("", "1:1 is not a mapping. Begin with the key nodes:"),
    ("nodes: [\n", "2:1 is not valid YAML: "),
    ("a: *x\n", "1:4 is not valid YAML: found undefined alias 'x'"),
    ("a: 1\n---\nb: 2\n", "2:1 holds a second YAML document. Keep one"),
    ("a: \x07\n", "1:4 holds a character that YAML does not allow"),
    ("cluster: other\n" + group(), '1:10 cluster: "other" is not what --cluster says (demo)'),
    ("gpuLabel: a b\n" + group(), '1:11 gpuLabel: "a b" is not made of'),
    (
        "gpuLabel: x.kubernetes.io/y\n" + group(),
        '1:11 gpuLabel: "x.kubernetes.io/y" may not be set',
    ),
    ("currency: eur\n" + group(), '1:11 currency: "eur" is not a currency code'),
    ("exchangeRates: {usd: 1}\n" + group(), '1:17 exchangeRates.usd: "usd" is not a currency code'),
    ("exchangeRates: {USD: 0}\n" + group(), "1:22 exchangeRates.USD: 0 is not above zero"),
    ("exchangeRates: {USD: -1}\n" + group(), "1:22 exchangeRates.USD: -1 is not above zero"),
    ("exchangeRates: {EUR: 2}\n" + group(), "1:22 exchangeRates.EUR: one EUR is one EUR"),
    ("exchangeRates: {USD: much}\n" + group(), '1:22 exchangeRates.USD: must be a number, not "mu'),
    ("coverForgottenMachines: 1\n" + group(), "1:25 coverForgottenMachines: must be true or false"),
    ("node: 1\n" + group(), "1:1 node: is not a known key. Did you mean nodes?"),
    ("rates: {USD: 1}\n" + group(), "1:1 rates: is not a known key. Did you mean exchangeRates?"),
    ("max: 1\n" + group(), "1:1 max: is not a known key. Known: accounts, appPools, "),
    ("accounts: {}\n" + group(), "1:11 accounts: must be a list, not a mapping"),
    ("accounts: [{provider: dream}]\n" + group(), "1:12 accounts[0].name: is missing"),
    ("accounts: [{name: x}]\n" + group(), "1:12 accounts[0].provider: is missing"),
    (
        "accounts: [{name: X, provider: dream}]\n" + group(),
        '1:19 accounts[0].name: "X" is not a low',
    ),
    (
        "accounts: [{name: x, provider: dream}, {name: x, provider: dream}]\n" + group(account="x"),
        '1:47 accounts[1].name: "x" is the name of an account above',
    ),
    (
        "accounts: [{name: x, provider: dream}, {name: y, provider: dream}]\n" + group(),
        "6:13 nodes[0].provider: dream has several accounts: x, y. Say which with account:",
    ),
    (
        "accounts: [{name: x, provider: dream}]\n" + group(provider="rich", account="x"),
        "6:13 nodes[0].provider: account x is at dream",
    ),
    (
        "accounts: [{name: dream, provider: plain}]\n" + group(),
        "6:13 nodes[0].provider: the account called dream is at plain. Rename that account",
    ),
    (
        "accounts: [{name: x, provider: plain}, {name: y, provider: plain}]\n" + group(),
        "1:11 accounts: accounts x and y are one login: machines would count twice",
    ),
    (
        "accounts: [{name: x, provider: dream, budgetShare: 0}]\n" + group(),
        "1:52 accounts[0].budge",
    ),
    (
        "accounts: [{name: x, provider: dream, budgetShare: 1.1}]\n" + group(),
        "1:52 accounts[0].budge",
    ),
    (
        "accounts: [{name: x, provider: dream, endpoint: 'ftp://x'}]\n" + group(),
        "1:49 accounts[0].e",
    ),
    (
        "accounts: [{name: x, provider: dream, endpoint: 'https://a:b@x'}]\n" + group(),
        "1:49 accounts[0].endpoint: must not carry credentials",
    ),
    (
        "accounts: [{name: x, provider: plain, tokenFile: none}]\n" + group(),
        "1:50 accounts[0].tokenFile: the token file ",
    ),
    (
        f"accounts: [{{name: x, provider: plain, tokenFile: {'a1' * 32}}}]\n" + group(),
        "1:50 accounts[0].tokenFile: is not the path of a file. Put the token into a file",
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: {'12345': gone}}]\n" + group(),
        '1:49 accounts[0].foreign.12345: "12345" is no identity of a cluster. Write its 10 digits',
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: {ABCDEF0123: gone}}]\n" + group(),
        '1:49 accounts[0].foreign.ABCDEF0123: "ABCDEF0123" is no identity of a cluster',
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: {'?': gone}}]\n" + group(),
        '1:49 accounts[0].foreign.?: "?" is no identity of a cluster',
    ),
    (
        # YAML would take these for numbers, and another reader for other ones.
        "accounts: [{name: x, provider: dream, foreign: {1234567890: gone}}]\n" + group(),
        "1:49 accounts[0].foreign: a key here is not a text. Put it in quotes",
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: {12345678e9: gone}}]\n" + group(),
        '1:49 accounts[0].foreign: a key here is "12345678e9" without quotes',
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: {none: delete}}]\n" + group(),
        "1:55 accounts[0].foreign.none: \"delete\" is not one of 'adopt', 'ignore' or 'gone'",
    ),
    (
        "accounts: [{name: x, provider: dream, foreign: gone}]\n" + group(),
        "1:48 accounts[0].foreign: must be a mapping",
    ),
    (
        "accounts: [{name: x, provider: dream, believeVanished: 1}]\n" + group(),
        "1:56 accounts[0].believeVanished: must be true or false",
    ),
    (
        "accounts: [{name: x, provider: dream, maxOrdersPerHour: 0}]\n" + group(),
        "1:57 accounts[0].maxOrdersPerHour: 0 is out of bounds",
    ),
    ("limits: {givenUpPerGroup: -1}\n" + group(), "1:27 limits.givenUpPerGroup: -1 is out of bou"),
    ("limits: {givenUpPercent: 101}\n" + group(), "1:26 limits.givenUpPercent: 101 is out of bou"),
    ("limits: {within: 10}\n" + group(), "1:18 limits.within: must be a duration with its unit"),
    ("limits: {minutes: 10}\n" + group(), "1:10 limits.minutes: is not a known key"),
    (
        "kubernetes: {}\n" + group(provider="plain", join="kubeadm", anyNodeName="true"),
        "9:3 nodes[0].anyNodeName: is for nodes that we do not name, and join: kubeadm names",
    ),
    (
        # The implied way to join counts like one that is written down.
        "kubernetes: {}\n" + group(provider="plain", anyNodeName="true"),
        "8:3 nodes[0].anyNodeName: is for nodes that we do not name, and join: kubeadm names",
    ),
    (
        "kubernetes: {}\n" + group(provider="plain", join="k3s", anyNodeName="true"),
        "9:3 nodes[0].anyNodeName: is for nodes that we do not name, and join: k3s names",
    ),
    (group(surge="-1"), "7:10 nodes[0].surge: -1 is out of bounds"),
    ("kind: Secret\n" + group(), '1:7 kind: "Secret" is not ConfigMap'),
    ("kind: ConfigMap\n", "1:1 data: this ConfigMap has no data"),
    ("kind: ConfigMap\ndata: {x: y}\n", "2:7 data.config: the key config with a text is missing; "),
    ("kind: ConfigMap\ndata: {config: x}\n", "2:16 is not a mapping. Begin it with nodes:"),
]


@pytest.mark.parametrize(("text", "content"), TOP, ids=[result[:60] for _text, result in TOP])
def test_a_mistake_outside_groups_is_reported(tmp_path: Path, text: str, content: str) -> None:
    found = mistakes(tmp_path, text)
    assert any(each.startswith(content) for each in found), found


@pytest.mark.parametrize(
    ("cluster", "text"),
    [
        ("", "1:1 cluster: is missing. Add cluster: <name> or --cluster"),
        ("A", '1:1 cluster: "A" is not a lower-case name'),
        ("c" * 33, "1:1 cluster: "),
    ],
)
def test_a_cluster_is_needed_and_short(tmp_path: Path, cluster: str, text: str) -> None:
    assert mistakes(tmp_path, group(), cluster=cluster)[0].startswith(text)


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    text = (
        "currency: eur\n"
        "nodes:\n"
        "- {name: a, maxSize: x, instanceType: s, provider: dream, region: n, labels: {b: no}}\n"
        "- {name: a, minSize: 2, maxSize: 1, instanceType: s, provider: drem, region: n, foo: 1}\n"
    )
    assert [each.partition(": ")[0] for each in mistakes(tmp_path, text, cluster="")] == [
        "1:1 cluster",
        "1:11 currency",
        "3:22 nodes[0].maxSize",
        "3:82 nodes[0].labels.b",
        "4:10 nodes[1].name",
        "4:22 nodes[1].minSize",
        "4:64 nodes[1].provider",
        "4:81 nodes[1].foo",
    ]


def test_lines_inside_a_config_map_are_those_of_the_file(tmp_path: Path) -> None:
    inside = [each.split(" ", 1) for each in mistakes(tmp_path, BARE.replace("maxSize", "maxsize"))]
    outer = SEED.replace("maxSize", "maxsize").replace("config: |", "config: |  # why not\n")
    outside = [each.split(" ", 1) for each in mistakes(tmp_path, outer)]
    shifted = []
    for place, what in inside:
        line, column = place.split(":")
        shifted.append([f"{int(line) + 9}:{int(column) + 4}", what])
    assert outside == shifted
    assert len(outside) == 2


def test_a_quoted_config_map_is_reported_where_its_text_begins(tmp_path: Path) -> None:
    text = 'kind: ConfigMap\ndata:\n  config: "nodes:\\n- name: A"\n'
    assert {each.partition(" ")[0] for each in mistakes(tmp_path, text)} == {"3:11"}


def test_what_surrounds_the_text_in_a_config_map_is_kubernetes_own(tmp_path: Path) -> None:
    around = SEED.replace(
        "metadata:\n", "metadata:\n  creationTimestamp: null\n  generation: 010\n"
    )
    assert load(tmp_path, around + "  other: yes\nimmutable: false\n").groups


def test_a_syntax_error_inside_a_config_map_has_the_files_line(tmp_path: Path) -> None:
    text = "kind: ConfigMap\ndata:\n  config: |\n    nodes:\n    - name: [\n"
    assert mistakes(tmp_path, text)[0].startswith("6:5 is not valid YAML")


def test_a_missing_file_is_reported_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"none\.yaml:1:1: cannot be read: No such file"):
        config.load(tmp_path / "none.yaml", cluster="c", environ={}, clouds=fake_clouds.CLOUDS)


def test_no_error_and_no_repr_shows_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{fake_clouds.TOKEN}\n{fake_clouds.TOKEN}\n")
    head = "accounts: [{name: x, provider: plain, tokenFile: token}]\n"
    messages = mistakes(tmp_path, head + group())
    assert messages[0].startswith("1:50 accounts[0].tokenFile: the token file ")
    assert messages[0].endswith("holds more than a token. Keep the token as its only line")
    messages += mistakes(
        tmp_path, group(provider="plain"), environ={"PLAIN_TOKEN": "a b" + fake_clouds.TOKEN}
    )
    assert fake_clouds.TOKEN not in "".join(messages)
    (tmp_path / "token").write_text(fake_clouds.TOKEN)
    loaded = load(tmp_path, head + group(provider="plain", account="x"))
    assert loaded.accounts["x"].token == fake_clouds.TOKEN
    assert fake_clouds.TOKEN not in repr(loaded)


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_token_file_is_reported_with_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    head = "accounts: [{name: x, provider: plain, tokenFile: token}]\n"
    (result,) = mistakes(tmp_path, head + group())
    assert "/token" in result
    assert result.endswith("is empty. Write the token into it")


@pytest.mark.parametrize("around", ['"{}"', "'{}'", "PLAIN_TOKEN={}", 'PLAIN_TOKEN="{}"'])
def test_what_a_shell_would_take_off_is_no_part_of_a_token(tmp_path: Path, around: str) -> None:
    given = around.format(fake_clouds.TOKEN)
    (tmp_path / "token").write_text(f"{given}\n")
    head = "accounts: [{name: x, provider: plain, tokenFile: token}]\n"
    (of_file,) = mistakes(tmp_path, head + group())
    (of_variable,) = mistakes(tmp_path, group(provider="plain"), environ={"PLAIN_TOKEN": given})
    for result in (of_file, of_variable):
        assert "holds quotes or a name around the token" in result
        assert fake_clouds.TOKEN not in result


@pytest.mark.parametrize("around", ["VULTR_API_KEY={}", "export VULTR_API_KEY={}", "export '{}'"])
def test_a_clouds_own_variable_is_no_part_of_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    monkeypatch.setattr(fake_clouds.Plain, "token_variable", "VULTR_API_KEY")
    given = around.format(fake_clouds.TOKEN)
    (tmp_path / "token").write_text(f"{given}\n")
    head = "accounts: [{name: x, provider: plain, tokenFile: token}]\n"
    (of_file,) = mistakes(tmp_path, head + group())
    (of_variable,) = mistakes(tmp_path, group(provider="plain"), environ={"VULTR_API_KEY": given})
    for result in (of_file, of_variable):
        assert "holds quotes or a name around the token" in result
        assert fake_clouds.TOKEN not in result


@pytest.mark.parametrize("token", ["PVEAPIToken=user@pve!id=1-2", "OTHER_API_KEY=x", "a=b=="])
def test_a_token_may_hold_what_looks_like_another_name(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(f"{token}\n")
    head = "accounts: [{name: x, provider: plain, tokenFile: token}]\n"
    loaded = load(tmp_path, head + group(provider="plain", account="x"))
    assert loaded.accounts["x"].token == token


def test_a_missing_token_is_reported_with_its_variable(tmp_path: Path) -> None:
    (result,) = mistakes(tmp_path, group(provider="plain"), environ={})
    assert result.startswith("5:13 nodes[0].provider: there is no token for plain. Set PLAIN_TOKEN")


def test_user_data_over_the_clouds_limit_is_reported(tmp_path: Path) -> None:
    (tmp_path / "join").write_text("x" * 990 + "@@NODE_NAME@@")
    messages = mistakes(tmp_path, group(provider="plain", userDataFile="join"))
    assert messages == [
        "7:17 nodes[0].userDataFile: becomes 1053 bytes of user-data; plain takes 1000. "
        "Shorten it, or fetch the larger part at boot"
    ]
    (tmp_path / "join").write_text("x" * 937 + "@@NODE_NAME@@")
    assert load(tmp_path, group(provider="plain", userDataFile="join"))


def test_an_unknown_variable_is_reported_in_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "join").write_text("one\ntwo @@NODE_NAM@@ @@FOO@@\n")
    with pytest.raises(config.ConfigError) as caught:
        load(tmp_path, group(userDataFile="join"))
    first, second = caught.value.mistakes
    assert str(first) == (
        f'{tmp_path}/join:2:5: "@@NODE_NAM@@": is no variable. Did you mean NODE_NAME?'
    )
    assert str(second).startswith(
        f'{tmp_path}/join:2:18: "@@FOO@@": is no variable. Known: CLUSTER'
    )


def test_a_file_may_have_a_name_like_a_token(tmp_path: Path) -> None:
    name = "a-token-file-with-a-name-of-many-letters"
    (tmp_path / name).write_text("t")
    head = f"accounts: [{{name: x, provider: plain, tokenFile: {name}}}]\n"
    assert load(tmp_path, head + group(provider="plain")).accounts["x"].token == "t"


def test_max_size_zero_is_a_group_that_may_not_grow(tmp_path: Path) -> None:
    assert load(tmp_path, group(maxSize="0")).groups[0].max_size == 0


def test_a_flood_of_mistakes_is_cut(tmp_path: Path) -> None:
    text = group() + "".join(f"  k{number}: 1\n" for number in range(2000))
    with pytest.raises(config.ConfigError) as caught:
        load(tmp_path, text)
    assert len(caught.value.mistakes) == MAX_REPORTED
    assert str(caught.value).endswith("... and more")


@pytest.mark.parametrize("join", ["raw", "image", None])
def test_nodes_of_other_names_where_we_do_not_name_them(tmp_path: Path, join: str | None) -> None:
    (tmp_path / "join.sh").write_text("#!/bin/sh\n")
    file = "join.sh" if join == "raw" else None
    text = group(join=join, userDataFile=file, anyNodeName="true")
    assert load(tmp_path, text).groups[0].any_node_name
