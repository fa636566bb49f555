"""What the docs show works: configurations load, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from externalgrpc import clouds, config

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
    path = tmp_path / "pools.yaml"
    path.write_text(text)
    cluster = "" if re.search(r"^cluster:", text, re.MULTILINE) else "docs"
    config.load(path, cluster=cluster, environ=TOKENS, clouds=clouds.installed())


def test_there_are_configurations_in_the_docs():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing
