"""What the docs show works: configurations load, links lead somewhere, what is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from externalgrpc import cli, config, fleet
from externalgrpc.config import schema
from externalgrpc.model import installed_clouds
from externalgrpc.rpc import polling

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
TOKENS = dict.fromkeys(
    ("HCLOUD_TOKEN", "LINODE_TOKEN", "DIGITALOCEAN_TOKEN", "VULTR_API_KEY"), "t0ken"
)
BLOCKS = [
    pytest.param(page, block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
    if re.search(r"^ *nodes:", block, re.MULTILINE) and "kind:" not in block
]


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_configuration_in_the_docs_loads(tmp_path, page, block):
    indent = min(len(line) - len(line.lstrip()) for line in block.splitlines() if line.strip())
    text = "\n".join(line[indent:] for line in block.splitlines()) + "\n"
    for name in re.findall(r"(?:userDataFile|tokenFile): *([^\s#,}]+)", text):
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#cloud-config {name}\n" if name.endswith("yaml") else name)
        text = text.replace(name, str(path))
    if re.search(r"^config:", text, re.MULTILINE):  # the chart's values
        text = yaml.safe_dump(yaml.safe_load(text)["config"])
    path = tmp_path / "pools.yaml"
    path.write_text(text)
    cluster = "" if re.search(r"^cluster:", text, re.MULTILINE) else "docs"
    config.load(path, cluster=cluster, environ=TOKENS, clouds=installed_clouds.installed())


def test_there_are_configurations_in_the_docs():
    assert len(BLOCKS) >= 4


def test_every_module_of_the_fleet_is_in_the_rooms_list():
    modules = {path.stem for path in (ROOT / "externalgrpc" / "fleet").glob("[!_]*")}
    assert set(re.findall(r"``(\w+)``", fleet.__doc__)) == modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


# What the pages name exists: files, make's targets, commands, their options, settings, decisions.

CODE = sorted(
    path
    for folder in ("externalgrpc", "providers", "tests", "examples", "deploy", "proto")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".sh", ".yaml", ".proto", ".toml"} and "pb" not in path.parts
)
TICKED = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
FOLDERS = ("externalgrpc/", "providers/", "tests/", "docs/", "deploy/", "examples/", "proto/")
OTHERS_WORDS = frozenset(
    # Kubernetes, its objects and its kubelet.
    {"containerRuntimeEndpoint", "hostNetwork", "tlsCertFile", "providerID", "reportingInstance"}
    # What the changelog says is gone.
    | {"userDataLimitBytes"}
)


def text_of(page: Path) -> str:
    return page.read_text()


def ticked(page: Path) -> list[str]:
    """Return what stands between backticks in a page's sentences."""
    return TICKED.findall(FENCED.sub("", text_of(page)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page):
    named = {
        word.partition("::")[0]
        for each in ticked(page)
        for word in each.split()
        if word.startswith(FOLDERS) and not re.search(r"[<>*{}$]", word)
    }
    near = (ROOT, ROOT / "tests")  # docs/what-users-asked.md names tests from their folder
    names = sorted(name.rstrip(",.") for name in named)
    assert [name for name in names if not any((at / name).exists() for at in near)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page):
    wrong = []
    for path, name in re.findall(r"`([\w/]+\.py)::(\w+)", text_of(page)):
        files = [each for each in (ROOT / path, ROOT / "tests" / path) if each.exists()]
        if not any(re.search(rf"(def|class) {name}\b", each.read_text()) for each in files):
            wrong.append(f"{path}::{name}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_is_there(page):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = text_of(page)
    called = [each for each in TICKED.findall(text) if each.startswith("make")]
    called += re.findall(r"^ *\$ (make.*)$", text, re.MULTILINE)
    named = {found[1] for each in called if (found := re.match(r"make +([a-z][a-z0-9-]*)", each))}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_is_there(page):
    text = text_of(page)
    lines = [*TICKED.findall(text), *re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)]
    wrong = []
    for line in lines:
        found = re.match(r"(?!kubectl|helm)(?:.*[ (])?vps-autoscaler +([a-z][a-z-]*)(.*)", line)
        if found is None:
            continue
        command = cli.cli.get_command(click.Context(cli.cli), found[1])
        if command is None:
            wrong.append(line)
            continue
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        asked = re.findall(r"(?<!\S)(--[a-z0-9][a-z0-9-]*)", found[2].partition(" #")[0])
        wrong += [f"{option} in {line}" for option in asked if option not in known | {"--help"}]
    assert wrong == []


def keys_of(schema):
    if isinstance(schema, dict):
        for name, each in schema.items():
            if name == "properties":
                yield from each
            yield from keys_of(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from keys_of(each)


def words_of_code():
    """Give all that is written in capitals and small letters in code and manifests."""
    words = set()
    for path in CODE:
        words.update(re.findall(r"\b[a-z]+[A-Z][A-Za-z0-9]*\b", path.read_text()))
    return words


SETTINGS = frozenset(keys_of(schema.generate(installed_clouds.installed())))
WORDS = words_of_code()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_is_there(page):
    wrong = []
    for each in ticked(page):
        key = re.match(r"((?:[a-z]+\.|accounts\[\]\.|nodes\[\]\.)*)([a-z]+[A-Z][A-Za-z0-9]*)", each)
        if key is None or (key.end() < len(each) and each[key.end()] not in ": ,}"):
            continue
        word = key[2]
        if word not in SETTINGS | OTHERS_WORDS and (
            each[key.end() :][:1] == ":" or word not in WORDS
        ):
            wrong.append(each)
    assert wrong == []


DECISIONS = {path.name[:4]: path for path in (ROOT / "docs/decisions").glob("[0-9]*.md")}
SETTLED = 60
"""Up to here no number is handed out any more."""


def test_every_decision_that_is_named_is_there():
    wrong = []
    for path in [*PAGES, *CODE]:
        for found in re.finditer(r"[Dd]ecisions?[ /]+(\d{1,4})\b", path.read_text()):
            if f"{int(found[1]):04}" not in DECISIONS:
                wrong.append(f"{path.relative_to(ROOT)}: {found[0]}")
        if path.parent.name == "decisions":
            said = set(re.findall(r"\((0\d{3})[):]", path.read_text()))
            wrong += [f"{path.name}: {number}" for number in said - DECISIONS.keys()]
    assert wrong == []


def test_a_number_without_a_decision_is_said_to_be_empty():
    said = (ROOT / "docs/decisions/README.md").read_text()
    empty = set(re.findall(r"\b0\d{3}\b", said.partition("Empty:")[2]))
    lacking = {f"{number:04}" for number in range(1, SETTLED + 1)} - DECISIONS.keys()
    assert empty == lacking


def test_words_that_are_no_settings_are_found():
    assert "instanceTypes" in SETTINGS
    assert "publicIpv4" not in SETTINGS | OTHERS_WORDS


SIZES = {
    "docs/adding-a-cloud.md": [
        ("examples/cloud-plugin/toycloud.py", r"It is (\d+) lines of cloud"),
        ("examples/cloud-plugin/tests/toyapi.py", r", (\d+) of fake"),
        ("examples/cloud-plugin/tests/test_toycloud.py", r" and (\d+) of tests"),
        ("tests/providers/threecalls.py", r"such a cloud in (\d+) lines"),
    ],
    "docs/decisions/0040-answers-in-the-polling-thread.md": [
        ("externalgrpc/rpc/polling.py", r"`polling.py` has (\d+) lines"),
    ],
}
"""Where a page says how long a file is: the file, and how the page says it."""


@pytest.mark.parametrize(
    ("page", "file", "words"),
    [(page, *each) for page, said in SIZES.items() for each in said],
)
def test_a_number_of_lines_is_that_of_the_file(page, file, words):
    said = re.findall(words, (ROOT / page).read_text())
    assert said == [str(len((ROOT / file).read_text().splitlines()))]


def test_no_other_number_of_lines_is_said_in_the_page_for_new_clouds():
    """One that no test holds grows stale with the next change."""
    text = (ROOT / "docs" / "adding-a-cloud.md").read_text()
    known = [words for _file, words in SIZES["docs/adding-a-cloud.md"]]
    for words in known:
        text = re.sub(words, "", text)
    assert re.findall(r"\d+ lines", text) == []


def test_the_range_of_grpcio_that_the_decision_names_is_the_tested_one():
    text = (ROOT / "docs/decisions/0040-answers-in-the-polling-thread.md").read_text()
    first, last = (".".join(map(str, each)) for each in polling.TESTED)
    assert first == last, "say both in the decision"
    assert f"grpcio {first} is the only version in `TESTED`" in text
    assert f"A range wider than {first} would be" in text
