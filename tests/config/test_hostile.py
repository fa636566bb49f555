"""Whatever a file holds, it loads or gives ConfigError with places: never anything else."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from externalgrpc import config
from externalgrpc.config import files, lines
from externalgrpc.model import groups
from tests import depth
from tests.config import fake_clouds
from tests.config.test_loading import BARE, FULL, SEED

ALPHABET = "\n  :-[]{}#&*!|>'\"%@`,?<~=\\\t\r0179aeinopxyNO./_\x00\x1b\x85\u2028\ufeff\ud800é"
TOKENS = [
    *("\n", "  ", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: *a", "!!python/object:os.x "),
    *("|\n", ">-\n", "---\n", "...\n", "? ", "%YAML 1.1\n", '"\\ud800"', '"\\U00110000"', "yes"),
    *("0x1f", ".nan", "~", "2024-01-01", "nodes:", "kind: ConfigMap\n", "data:", "config: |"),
    *("labels:", "options:", "kubelet:", "- name: a\n", "9" * 5000, "@@X@@", "\x00", "\x1b[31m"),
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(ALPHABET, max_size=8),
    st.text(max_size=8).filter(lambda text: text.isprintable()),
    st.sampled_from(["rich", "dream", "plain", "own", "NoExecute", "10m", "256Mi", "a", "small"]),
)
KEYS = st.one_of(
    st.sampled_from(
        sorted({word.strip(" -:{[]},") for word in FULL.split() if word.endswith(":")})
    ),
    st.text(ALPHABET, max_size=4),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=30,
)


def outcome(raw: bytes) -> groups.Config | config.ConfigError:
    """Load bytes as a file; anything but a Config or a ConfigError escapes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(raw)
        Path(folder, "join.sh").write_text("echo @@NODE_NAME@@ @@LABELS@@ @@TAINTS@@\n")
        Path(folder, "secrets").mkdir()
        Path(folder, "secrets", "token").write_text(fake_clouds.TOKEN)
        try:
            return config.load(
                path, cluster="demo", environ=fake_clouds.ENVIRON, clouds=fake_clouds.CLOUDS
            )
        except config.ConfigError as error:
            return error


def judge(raw: bytes) -> None:
    """Check what comes of a file: a whole Config, or mistakes that can be printed and found."""
    found = outcome(raw)
    if isinstance(found, groups.Config):
        assert found.groups
        assert all(group.account in found.accounts for group in found.groups)
        assert all(group.candidates for group in found.groups)
        assert all(0 <= group.min_size <= group.max_size for group in found.groups)
        return
    assert found.mistakes
    count = raw.decode("utf-8", "replace").replace("\r", "\n").count("\n") + raw.count(b"\x85") + 3
    for mistake in found.mistakes:
        assert mistake.file.startswith(tempfile.gettempdir())
        assert 1 <= mistake.line <= count + raw.count(b"\xe2\x80\xa8")
        assert mistake.column >= 1
        assert mistake.message
        assert str(mistake).isprintable()
        assert fake_clouds.TOKEN not in str(mistake)


slow = settings(
    max_examples=int(os.environ.get("CONFIG_EXAMPLES", depth.examples(40))),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@slow
@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    judge(raw)


@slow
@given(TREES)
@example({"nodes": [{"name": {}, "labels": {"a": None}, "taints": [[]]}], "accounts": [{}]})
def test_any_tree(tree: object) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    judge(text.encode("utf-8", "surrogatepass"))


@slow
@given(
    st.sampled_from([FULL, SEED, BARE]),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(TOKENS)),
        min_size=1,
        max_size=4,
    ),
)
def test_any_mutation_of_a_right_file(text: str, edits: list[tuple[int, int, str]]) -> None:
    for place, removed, put in edits:
        at = place % len(text)
        text = text[:at] + put + text[at + removed :]
    judge(text.encode())


@slow
@given(st.integers(0, 2**32), TREES)
def test_any_value_in_place_of_any_other(seed: int, leaf: object) -> None:
    """Replace one value, anywhere in a right file, by a value of any other kind."""
    chance = random.Random(seed)
    tree = yaml.safe_load(FULL)
    at: object = tree
    while True:
        steps = list(at) if isinstance(at, dict) else list(range(len(at)))
        step = chance.choice(steps)
        inner = at[step]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.3:
            at[step] = leaf
            break
        at = inner
    judge(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 50_000,
        "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
            for before, name in zip("bcdefghij", "cdefghijk", strict=True)
        ),
        "a: &a {<<: *a}\n",
        "a: &a\n  b: *a\n",
        "a: &a [*a]\nnodes: *a\n",
        "nodes:\n" + "- {}\n" * 19_000,
        "nodes:\n- name: a\n" + "".join(f"  k{n}: 1\n" for n in range(20_000)),
        "nodes: [{labels: {" + ",".join(f"k{n}: no" for n in range(20_000)) + "}}]",
        "nodes: [{instanceTypes: ["
        + ",".join(f"t{n}" for n in range(20_000))
        + "], regions: [a]}]",
        "nodes: [{instanceTypes: [" + "t," * 20_000 + "], regions: [" + "r," * 20_000 + "]}]",
        "nodes: [{taints: [" + "{key: a, effect: NoExecute}," * 10_000 + "]}]",
        "accounts: [" + "{name: a, provider: dream}," * 15_000 + "]",
        "exchangeRates: {" + ",".join(f"K{n}: 1" for n in range(20_000)) + "}",
        "name: " + "x" * 1_000_000,
        "name: '" + "-a" * 500_000 + "'",
        "x" * 2_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_bomb_ends_soon_in_a_clear_mistake(text: str) -> None:
    begun = time.process_time()
    found = outcome(text.encode())
    assert isinstance(found, config.ConfigError)
    assert str(found)
    assert len(str(found)) < 100_000
    assert time.process_time() - begun < 30


def test_depth_is_reported_as_such() -> None:
    with pytest.raises(config.ConfigError, match="is nested deeper than 24 levels"):
        lines.read(b"a: " + b"[" * 100_000, "f")


@pytest.mark.parametrize("what", ["/dev/zero", "fifo", "folder", "loop"])
def test_only_regular_files_are_read(tmp_path: Path, what: str) -> None:
    path = tmp_path / what if not what.startswith("/") else Path(what)
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path)
    with pytest.raises(files.Unreadable):
        files.Files().read(path)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (files.MAX_BYTES + 1))
    with pytest.raises(files.Unreadable, match="larger than"):
        files.Files().read(path)
    with pytest.raises(config.ConfigError, match="larger than"):
        lines.read(path.read_bytes(), "large")


def test_not_utf8_is_reported_with_its_place() -> None:
    with pytest.raises(config.ConfigError, match=r"f:2:4: is not UTF-8 text"):
        lines.read(b"a: 1\nb: \xff\n", "f")


def test_a_byte_order_mark_is_no_matter() -> None:
    assert lines.read(b"\xef\xbb\xbfnodes: [a]\n", "f").value == {"nodes": ["a"]}


def test_merge_keys_let_the_nearest_win() -> None:
    text = b"x: &x {a: '1', b: '1'}\ny: &y {b: '2', c: '2'}\nz: {<<: [*x, *y], c: '3'}\n"
    tree = lines.read(text, "f")
    assert tree.value["z"] == {"a": "1", "b": "1", "c": "3"}
    assert tree.position(("z", "c")) == lines.Position(3, 22)
    assert tree.position(("z", "a")) == lines.Position(1, 11)
    assert tree.position(("z", "none")) == lines.Position(3, 4)
