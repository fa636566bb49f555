"""What the image does when nobody says anything, and what deploy/ says."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import yaml

from externalgrpc.model import rules
from tests.test_cli import EXAMPLE, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def option(words, name):
    """Give the value of an option, written in one word or two."""
    for at, word in enumerate(words):
        if word == name:
            return words[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def in_the_clear(address):
    return not address.startswith("unix:") and rules.plain_http(f"http://{address}")


def test_the_default_command_serves_plain_text_on_loopback_only():
    words = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    for name in ("--listen", "--metrics"):
        assert option(words, name)
        assert not in_the_clear(option(words, name))
    assert "EXPOSE" not in DOCKERFILE


def lines_of(word):
    return re.findall(rf"^{word} +(.*)$", DOCKERFILE, re.MULTILINE)


def test_the_image_runs_as_nobody():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (.*)$", last, re.MULTILINE)
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), "a number, which runAsNonRoot can check"


def test_every_base_has_a_version():
    bases = [each for each in lines_of("FROM") if not each.startswith("${BASE}")]
    assert bases == []
    (base,) = (each for each in lines_of("ARG") if each.startswith("BASE="))
    tag = base.partition("=")[2].rpartition(":")[2]
    assert re.match(r"\d+\.\d+-slim-", tag), "one Python, and one Debian"


def test_what_is_fetched_into_the_image_is_hashed():
    steps = re.sub(r"\\\n", " ", DOCKERFILE)
    installs = re.findall(r"pip install (.*?)(?:&&|$)", steps, re.MULTILINE)
    assert installs
    for each in installs:
        assert "--require-hashes" in each or {"--no-deps", "--no-build-isolation"} <= {
            *each.split()
        }
    assert not re.search(r"^ADD |curl|wget|apt-get", steps, re.MULTILINE)


def test_the_entrypoint_takes_a_commands_words():
    assert [json.loads(each) for each in lines_of("ENTRYPOINT")] == [["vps-autoscaler"]]
    assert "PYTHONDONTWRITEBYTECODE=1" in DOCKERFILE, "its root may be read-only"


def test_the_image_gets_all_that_it_copies():
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = {
        word
        for each in lines_of("COPY")
        if not each.startswith("--from")
        for word in each.split()[:-1]
    }
    assert copied == let_in


def test_the_default_command_runs():
    words = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    words[words.index("--config") + 1] = str(EXAMPLE)
    words = [re.sub(r":\d+$", ":0", each) for each in words]
    lines, log = served(words)
    assert " on 127.0.0.1:" in lines
    assert "plain text" not in log


def test_plain_text_off_loopback_is_warned_of():
    """At an address of nobody, so that nothing here listens where others are."""
    away = "192.0.2.1:8086"
    done = subprocess.run(
        [sys.executable, "-m", "externalgrpc", "serve", "--config", EXAMPLE, "--listen", away],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert "plain text off loopback" in done.stderr
    assert "--tls-client-ca" in done.stderr


def served(words):
    """Run a command till it serves, end it, and give its first line and its log."""
    process = subprocess.Popen(
        [sys.executable, "-m", "externalgrpc", *words, "--no-live"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        line = process.stdout.readline()
        assert line
    finally:
        process.terminate()
        _, log = process.communicate(timeout=40)
    return line, log


def test_deploy_says_where_to_listen():
    values = []
    for path in sorted((ROOT / "deploy").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            spec = ((document or {}).get("spec") or {}).get("template", {}).get("spec", {})
            values += [
                each["args"]
                for each in spec.get("containers", ())
                if each["name"] == "vps-autoscaler"
            ]
    assert values
    for words in values:
        assert option(words, "--listen")
        assert option(words, "--metrics"), "its probes ask there"
        assert option(words, "--tls-client-ca") or not in_the_clear(option(words, "--listen"))
