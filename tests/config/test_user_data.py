"""A user-data file is read as cloud-init reads it, before any machine is ordered with it."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import textwrap
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
import yaml

from externalgrpc import assembly, config
from externalgrpc.bootstrap import raw, userdata
from externalgrpc.diagnosis import preflight
from externalgrpc.model import groups, installed_clouds

CLOUDS = installed_clouds.installed()
REAL = ("digitalocean", "hetzner", "linode", "vultr")
ENVIRON = {CLOUDS[name].token_variable: "t0ken-of-nobody" for name in REAL}
CONFIG = "#cloud-config\nruncmd:\n- [kubelet, --provider-id, '@@NODE_NAME@@']\n"


def load(folder: Path, data: bytes | str, cloud: str = "linode", more: str = "") -> groups.Config:
    (folder / "join").write_bytes(data.encode() if isinstance(data, str) else data)
    path = folder / "pools.yaml"
    path.write_text(
        f"cluster: test\nnodes:\n- {{name: pool, provider: {cloud}, instanceType: small, "
        f"region: here, maxSize: 3, image: debian-13, userDataFile: join{more}}}\n"
    )
    return config.load(path, cluster="", environ=ENVIRON, clouds=CLOUDS)


def mistake(folder: Path, data: bytes | str, cloud: str = "linode") -> str:
    with pytest.raises(config.ConfigError) as caught:
        load(folder, data, cloud)
    (found,) = caught.value.mistakes
    return str(found).replace(f"{folder}/", "")


def warnings(folder: Path, data: bytes | str, cloud: str = "linode", more: str = "") -> list[str]:
    found = load(folder, data, cloud, more)
    return [
        each.what.replace(f"{folder}/", "")
        for each in preflight.check_offline(found, CLOUDS).findings()
        if each.subject == "userDataFile"
    ]


def filled(found: groups.Config, scheme: str = "linode") -> str:
    return raw.fill(
        found.groups[0],
        cluster="test",
        node_name="pool-x7k2pq",
        machine_type="small",
        location="here",
        provider="linode",
        scheme=scheme,
    )


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_a_byte_order_mark_goes_and_lines_end_as_linux_ends_them(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf#!/bin/sh\r\nkubelet --provider-id=@@NODE_NAME@@\r\n"
    found = load(tmp_path, data)
    assert found.groups[0].user_data == "#!/bin/sh\nkubelet --provider-id=@@NODE_NAME@@\n"
    assert warnings(tmp_path, data) == []


ARCHIVE = "#cloud-config-archive\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            gzip.compress(b"#!/bin/sh\n", mtime=0),
            "is gzip, and clouds take text only: give it unpacked",
        ),
        ("#!/bin/sh\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (b"#!/bin/sh\n# \xff\n", "is not UTF-8 text: save it as UTF-8"),
        (lzma.compress(b"#!/bin/sh\n"), "is xz, which cloud-init does not unpack: give it"),
        (bz2.compress(b"#!/bin/sh\n"), "is bzip2, which cloud-init does not unpack: give it"),
        (b"\x28\xb5\x2f\xfd\x00", "is zstd, which cloud-init does not unpack: give it"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, text: str) -> None:
    assert text in mistake(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [
        CONFIG,
        CONFIG.upper().replace("@@NODE_NAME@@", "x"),
        "#cloud-config\n",
        "#!/bin/sh\n",
        "#!/usr/bin/env python3\n",
        "## template: jinja\n#cloud-config\nhostname: {{ v1.instance_id }}\n",
        "## template: jinja\n#!/bin/sh\necho {{ v1.instance_id }}\n",
        "#include\nhttps://a.example/x\n",
        "#include-once\nhttps://a.example/x\n",
        "#cloud-boothook\n#!/bin/sh\n",
        "#cloud-config-archive\n- type: text/x-shellscript\n",
        f"{ARCHIVE}- 'a: b'\n- '#!/bin/sh'\n- content: |\n    #cloud-config\n    a: b\n",
        "#cloud-config-archive\n- [a]\n- {type: text/x-shellscript, content: '#!/bin/sh'}\n",
        f"{ARCHIVE}- content: !!binary |\n    I2Nsb3VkLWNvbmZpZwphOiBiCg==\n",
        "#part-handler\n",
    ],
)
@pytest.mark.parametrize("cloud", REAL)
def test_what_cloud_init_runs_is_taken_in_silence(tmp_path: Path, data: str, cloud: str) -> None:
    assert warnings(tmp_path, data, cloud) == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("version: v1alpha1\nmachine: {}\n", "join:1:1: begins with no header"),
        ("# my pool\n#cloud-config\na: b\n", "join:2:1: #cloud-config stands here, and must be"),
        ("\n#cloud-config\na: b\n", "join:2:1: #cloud-config stands here"),
        ("\n\n#!/bin/sh\n", "join:3:1: #! stands here"),
        (" #!/bin/sh\n", "join:1:2: #! stands here"),
        ("# cloud-config\na: b\n", "join:1:1: # cloud-config stands here"),
        ("#cloud_config\na: b\n", "join:1:1: #cloud_config stands here"),
        ("hostname: a\n#cloud-config\n", "join:2:1: #cloud-config stands here"),
        ("## template: jinja\n\n#cloud-config\n", "join:3:1: #cloud-config stands here"),
        ("echo hello\n", "join:1:1: begins with no header"),
        (b64("#!/bin/sh\necho a long enough script\n"), "join:1:1: is base64, which this cloud's"),
    ],
)
def test_what_nobody_runs_is_a_warning_with_its_place(tmp_path: Path, data: str, text: str) -> None:
    (found,) = warnings(tmp_path, data)
    assert found.startswith(text)
    assert "nobody runs it" in found
    assert warnings(tmp_path, data, more=", userDataFormat: other") == []


@pytest.mark.parametrize(
    ("more", "place", "key"),
    [
        ("write_files: []\nruncmd: [b]\n", "5:1", "runcmd is given twice"),
        ("users: [{name: a, sudo: x, name: b}]\n", "4:28", "name is given twice"),
        ("write_files:\n- path: /a\n  path: /b\n", "6:3", "path is given twice"),
        ("b: {'': 1, \"\": 2}\n", "4:12", "an empty key is given twice"),
        ("b: {1: 1, '1': 2, 1: 3}\n", "4:19", "1 is given twice"),
    ],
)
def test_a_key_that_is_given_twice_loses_what_the_first_says(
    tmp_path: Path, more: str, place: str, key: str
) -> None:
    (found,) = warnings(tmp_path, CONFIG + more)
    assert found.startswith(f"join:{place}: {key}, and cloud-init takes the last: what line ")
    assert not warnings(tmp_path, CONFIG + "a: {b: 1}\nc: {b: 1}\nd: {<<: {b: 2}, <<: {e: 3}}\n")
    assert not warnings(tmp_path, CONFIG + "a: {1: x, '1': y, true: x, 'true': y}\n")


def test_base64_of_a_whole_file_is_looked_into_where_the_cloud_decodes_it(tmp_path: Path) -> None:
    data = b64(CONFIG)
    assert warnings(tmp_path, data, "hetzner") == []
    for cloud in ("digitalocean", "linode", "vultr"):
        (found,) = warnings(tmp_path, data, cloud)
        assert "is base64, which this cloud's cloud-init does not decode" in found
    packed = b64(gzip.compress(CONFIG.encode()))
    assert warnings(tmp_path, packed, "hetzner") == []
    text = filled(load(tmp_path, packed, "hetzner"))
    assert b"pool-x7k2pq" in gzip.decompress(base64.b64decode(text))
    (found,) = warnings(tmp_path, b64("echo a script without a header\n"), "hetzner")
    assert found.startswith("join:1:1: in its base64 begins with no header")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("#cloud-config\na: b\nruncmd: [\n", "join:4:1: this cloud-config is no YAML"),
        ("#cloud-config\na: b\n c: d\n", "join:3:3: this cloud-config is no YAML"),
        ("#cloud-config\na:\n\t- b\n", "join:3:1: this cloud-config is no YAML"),
        ("#cloud-config\n- a\n", "join:2:1: this cloud-config is no mapping"),
        ("#cloud-config-archive\na: b\n", "join:2:1: this cloud-config-archive is no list"),
        (f"{ARCHIVE}- content: |\n    a: b\n    c: [\n", "join:5:1: this cloud-config is no YAML"),
        (
            f"{ARCHIVE}- {{content: 'a: [', type: text/cloud-config}}\n",
            "join:2:13: this cloud-config",
        ),
        (f'{ARCHIVE}- "#cloud-config\\n- a"\n- a: b\n', "join:2:3: this cloud-config is no"),
        ("#cloud-config-jsonp\n[{\n", "join:3:1: this cloud-config is no YAML"),
        ("#cloud-config\nsome words\n", "join:2:1: this cloud-config is no mapping"),
        ("#cloud-config\nhostname: {{ a }}\n", "join:2:12: this cloud-config is no YAML that can"),
        ("#cloud-config\na: '\x01'\n", "join:2:5: this cloud-config is no YAML"),
        ("#cloud-config\na: &b [*c]\n", "join:2:8: this cloud-config is no YAML"),
    ],
)
def test_a_cloud_config_that_is_no_yaml_is_a_mistake(tmp_path: Path, data: str, text: str) -> None:
    assert mistake(tmp_path, data).startswith(text)
    assert load(tmp_path, data, more=", userDataFormat: other").groups


def test_it_is_the_filled_in_text_that_must_be_yaml(tmp_path: Path) -> None:
    assert load(tmp_path, "#cloud-config\nhostname: @@NODE_NAME@@\n").groups


def mime(*parts: MIMEText) -> str:
    message = MIMEMultipart()
    for part in parts:
        message.attach(part)
    return message.as_string()


def plain(text: str, kind: str) -> MIMEText:
    return MIMEText(text, kind, "us-ascii")


def test_parts_of_mime_are_judged_where_they_stand(tmp_path: Path) -> None:
    good = mime(plain(CONFIG, "cloud-config"), plain("#!/bin/sh\necho\n", "x-shellscript"))
    assert warnings(tmp_path, good) == []
    broken = mime(
        plain("#!/bin/sh\n", "x-shellscript"), plain("#cloud-config\na: [\n", "cloud-config")
    )
    line = broken.split("\n").index("a: [") + 1
    assert mistake(tmp_path, broken).startswith(f"join:{line + 1}:1: this cloud-config is no YAML")
    lost = mime(plain("# a comment\n#cloud-config\na: b\n", "plain"))
    (found,) = warnings(tmp_path, lost)
    assert found.startswith(f"join:{lost.split(chr(10)).index('#cloud-config') + 1}:1: #cloud-con")
    bare = mime(plain("echo\n", "x-shellscript"))
    (found,) = warnings(tmp_path, bare)
    assert found.startswith(
        f"join:{bare.split(chr(10)).index('echo') + 1}:1: this part is text/x-s"
    )
    hidden = mime(MIMEText("#cloud-config\na: [\n", "cloud-config", "utf-8"))
    assert "base64" in hidden
    assert "this cloud-config is no YAML" in mistake(tmp_path, hidden)
    bare = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n#!/bin/sh\n--x--\n"
    (found,) = warnings(tmp_path, bare)
    assert found.startswith("join:1:1: begins as a MIME message does, without a line MIME-Version:")
    assert warnings(tmp_path, "MIME-Version: 1.0\n" + bare) == []
    assert warnings(tmp_path, "#!/bin/sh\n# MIME-Version: 1.0\n") == []
    nothing = "Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n\nabc\n"
    assert "its boundary is not found" in mistake(tmp_path, nothing)


def test_variables_in_base64_are_filled_wherever_they_stand(tmp_path: Path) -> None:
    inner = "#!/bin/sh\necho @@NODE_NAME@@ @@REGION@@\n" + "# é\n" * 40
    want = inner.replace("@@NODE_NAME@@", "pool-x7k2pq").replace("@@REGION@@", "here")
    zipped = b64(gzip.compress(inner.encode()))
    wrapped = textwrap.indent("\n".join(textwrap.wrap(b64(inner), 76)), "    ")
    data = (
        "#cloud-config\nwrite_files:\n"
        f"- encoding: b64\n  content: {b64(inner)}\n  path: /a\n"
        f"- {{path: /b, encoding: base64, content: '{b64(inner)}'}}\n"
        f"- path: /c\n  encoding: gz+b64\n  content: {zipped}\n"
        f"- path: /d\n  encoding: b64\n  content: |\n{wrapped}\n"
        f"runcmd:\n- echo {b64(inner)} | base64 -d\n- echo @@NODE_NAME@@ words/usr/bin\n"
    )
    text = filled(load(tmp_path, data))
    assert "@@" not in text
    document = yaml.safe_load(text)
    a, b, c, d = (each["content"] for each in document["write_files"])
    assert base64.b64decode(a).decode() == want
    assert base64.b64decode(b).decode() == want
    assert gzip.decompress(base64.b64decode(c)).decode() == want
    assert base64.b64decode(d).decode() == want
    assert [each["path"] for each in document["write_files"]] == ["/a", "/b", "/c", "/d"]
    assert base64.b64decode(document["runcmd"][0].split()[1]).decode() == want
    assert document["runcmd"][1] == "echo pool-x7k2pq words/usr/bin"


def test_variables_in_parts_of_mime_and_in_base64_within_base64(tmp_path: Path) -> None:
    nested = f"#cloud-config\nwrite_files:\n- content: {b64('name @@NODE_NAME@@ here')}\n"
    data = mime(MIMEText(nested, "cloud-config", "utf-8"), plain("#!/bin/sh\n", "x-shellscript"))
    assert "@@" not in data
    import email  # noqa: PLC0415

    message = email.message_from_string(filled(load(tmp_path, data)))
    parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    inner = yaml.safe_load(parts[0])["write_files"][0]["content"]  # type: ignore[arg-type]
    assert base64.b64decode(inner) == b"name pool-x7k2pq here"
    assert parts[1] == b"#!/bin/sh\n"


@pytest.mark.parametrize("length", range(24))
def test_every_length_survives_filling(tmp_path: Path, length: int) -> None:
    """However the text is padded, wrapped or not."""
    inner = "x" * length + "@@NODE_NAME@@" + "y" * 70
    for content in (b64(inner), "\n    ".join(textwrap.wrap(b64(inner), 40))):
        data = f"#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    {content}\n  owner: x\n"
        entry = yaml.safe_load(filled(load(tmp_path, data)))["write_files"][0]
        assert entry["owner"] == "x"
        got = base64.b64decode(entry["content"]).decode()
        assert got == inner.replace("@@NODE_NAME@@", "pool-x7k2pq")


def test_an_unknown_variable_in_base64_is_reported_with_the_place_of_its_part(
    tmp_path: Path,
) -> None:
    data = f"#cloud-config\nwrite_files:\n- content: {b64('hello @@NODE_NAM@@ hello')}\n"
    mistakes = mistake(tmp_path, data)
    assert mistakes == 'join:3:12: "@@NODE_NAM@@": is no variable. Did you mean NODE_NAME?'


def test_what_base64_becomes_is_what_is_measured(tmp_path: Path) -> None:
    found = load(tmp_path, f"#!/bin/sh\necho {b64('@@NODE_NAME@@' * 100)}\n")
    size = raw.worst_case_bytes(found.groups[0], cluster="test", provider="linode", scheme="linode")
    assert size > 63 * 100 * 4 / 3


def test_labels_and_the_provider_id_in_base64_are_seen(tmp_path: Path) -> None:
    data = f"#!/bin/sh\necho {b64('kubelet --provider-id=x --node-labels=@@NODE_LABELS@@')}\n"
    found = load(tmp_path, data, more=", labels: {a: b}")
    about = {each.subject for each in preflight.check_offline(found, CLOUDS).findings()}
    assert not about & {"labels", "providerID"}


def test_hostile_files_cost_little(tmp_path: Path) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * (64 << 20)))
    load(tmp_path, f"#!/bin/sh\n# {b64(bomb)}\n")
    load(tmp_path, "#!/bin/sh\n" + "abcdefgh\n" * 1500)
    load(tmp_path, "#!/bin/sh\n" + "a" * 16_000)
    assert "no YAML" in mistake(tmp_path, "#cloud-config\na: " + "[" * 5000)
    assert list(userdata.judge("", decodes_base64=True))


@pytest.mark.parametrize("script", ["#!/bin/sh\r\necho\r\n", "\ufeff#!/bin/sh\necho long enough\n"])
def test_a_script_in_base64_that_no_linux_runs(tmp_path: Path, script: str) -> None:
    data = f"#cloud-config\nwrite_files:\n- path: /a\n  content: {b64(script)}\n"
    (found,) = warnings(tmp_path, data)
    assert found.startswith("join:4:12: the script in this base64 has a byte order mark or a carr")
    assert warnings(tmp_path, data.replace(b64(script), b64("#!/bin/sh\necho fine\n"))) == []


def test_a_server_says_it_in_its_log_and_orders_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = load(tmp_path, "echo nobody runs this\n")
    plant = assembly.Assembly(found, CLOUDS, assembly.Parts())
    try:
        (result,) = [each for each in caplog.records if each.getMessage() == "user-data"]
        assert result.levelname == "WARNING"
        assert "begins with no header" in str(vars(result))
        assert f"{tmp_path}/join:1:1" in str(vars(result))
        assert plant.reconciler.runtimes()
    finally:
        plant.stop(1.0)


@pytest.mark.parametrize("end", ["EOF", "DONE", "ENDOFTHEFILE"])
@pytest.mark.parametrize("length", [2, 35, 50, 200])
def test_the_word_below_a_base64_is_no_part_of_it(tmp_path: Path, end: str, length: int) -> None:
    inner = "@@NODE_NAME@@" + "x" * length
    inner += "x" * (-len(inner) % 3)
    data = f"#!/bin/sh\nbase64 -d >/a <<{end}\n{b64(inner)}\n{end}\n"
    lines = filled(load(tmp_path, data)).split("\n")
    assert lines[3:] == [end, ""]
    assert base64.b64decode(lines[2]).decode().startswith("pool-x7k2pqx")
