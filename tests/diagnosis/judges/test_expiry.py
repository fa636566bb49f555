"""Certificates, tokens and keys that end."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import shutil
import tempfile
import threading
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import yaml

from externalgrpc.diagnosis.facts import Certificate
from externalgrpc.diagnosis.judges import expiry
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import expiry_probe, package_key
from tests import absent, certificates
from tests.diagnosis import given

DAY = 86_400.0
MADE = 1_700_000_000


def ending(days: float, what: str = "the cluster's CA") -> object:
    its = Certificate(what=what, ends_at=given.NOW + days * DAY, cure="renew it")
    return given.facts(certificates=(its,))


def test_certificates_that_end() -> None:
    assert given.judged(ending(31)) == []
    found = given.warning(ending(29))
    assert found.what == "the cluster's CA ends in 29d, on 2026-06-26"
    assert given.trouble(ending(-3)).what == "the cluster's CA ended 3d ago"


def at(instant: datetime.datetime, group: object | None = None) -> list[str]:
    of = given.facts(*([group] if group else []))
    return [each.what for each in expiry.judge(given.change(of, now=instant.timestamp()))]


def test_the_known_date_of_the_packages_key() -> None:
    days = datetime.timedelta(days=1)
    assert at(expiry.KEY_ENDS - 61 * days) == []
    (soon,) = at(expiry.KEY_ENDS - 59 * days)
    assert "at pkgs.k8s.io lapses on 2026-12-29" in soon
    assert soon.endswith("groups: web")
    (late,) = at(expiry.KEY_ENDS + days)
    assert "lapsed on 2026-12-29" in late


@pytest.mark.parametrize(
    "group",
    [
        given.group(join="k3s"),
        given.group(join="raw"),
        given.group(join_kubernetes="image"),
        given.group(join_kubernetes_packages="https://mirror.example.org/k8s/v{minor}/"),
        given.group(join_kubernetes_key="https://mirror.example.org/key"),
    ],
)
def test_who_does_not_use_that_key_is_not_warned(group: object) -> None:
    assert at(expiry.KEY_ENDS, group) == []


def test_a_key_that_was_looked_at_counts_more_than_the_date() -> None:
    of = given.change(ending(100, f"{expiry.KEY} (x)"), now=expiry.KEY_ENDS.timestamp())
    looked = Certificate(what=f"{expiry.KEY} (x)", ends_at=of.now + 61 * DAY, cure="c")
    assert list(expiry.judge(given.change(of, certificates=(looked,)))) == []
    soon = Certificate(what=f"{expiry.KEY} (x)", ends_at=of.now + 59 * DAY, cure="c")
    assert len(list(expiry.judge(given.change(of, certificates=(soon,))))) == 1


# -- keys of package sources --------------------------------------------------------------------

KEYS = Path(__file__).parents[1] / "keys"
"""Made by GnuPG at ``MADE``; ``longer`` was prolonged later, and has a subkey of ten days."""
ENDS, LONGER = MADE + 1000 * 86_400, MADE + 100 + 2000 * 86_400
gnupg = absent.unless(shutil.which("gpg"), absent.Need.GPG)


def key(*names: str) -> bytes:
    return b"".join((KEYS / f"{name}.asc").read_bytes() for name in names)


def binary(name: str) -> bytes:
    """Return a key without its armour: blank line, lines of base64, checksum."""
    return base64.b64decode(b"".join(key(name).split(b"\n\n")[1].splitlines()[:-2]))


@gnupg
@pytest.mark.parametrize(
    ("text", "ends"),
    [
        pytest.param(key("ends"), ENDS, id="ends"),
        pytest.param(key("longer"), LONGER, id="prolonged, with a subkey that ended"),
        pytest.param(key("ends", "longer"), LONGER, id="the last of two"),
        pytest.param(key("longer", "ends"), LONGER, id="whichever comes first"),
        pytest.param(key("ends", "never"), None, id="one of two that never ends"),
        pytest.param(key("never"), None, id="never"),
        pytest.param(binary("ends"), ENDS, id="without armour"),
    ],
)
def test_when_a_key_ends(text: bytes, ends: float | None) -> None:
    assert package_key.ends_at(text) == ends


@gnupg
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>not found</html>",
        b"-----BEGIN PGP PUBLIC KEY BLOCK",
        pytest.param(key("ends")[:200], id="half a key"),
        pytest.param(binary("ends")[:-1] + b"?", id="a wrong signature"),
        pytest.param(binary("ends")[:51], id="no signature"),
    ],
)
def test_what_is_no_key(text: bytes) -> None:
    with pytest.raises(package_key.NoKey, match="it holds no public key"):
        package_key.ends_at(text)


@gnupg
def test_nothing_is_left_of_reading_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    package_key.ends_at(key("ends"))
    assert list(tmp_path.iterdir()) == []


def test_without_gnupg_nobody_knows_when_a_key_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(package_key.NoKey, match="is not installed"):
        package_key.ends_at(key("ends"))


class Mirror(http.server.BaseHTTPRequestHandler):
    """A package host: one status and one text for every path."""

    status = 200
    text = b""
    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text)


def fetched(status: int, text: bytes, path: str = "/v{minor}/key", minor: int | None = 36) -> tuple:
    """Serve a key as ``kubernetesKey`` of a group, and ask for it."""

    class Now(Mirror):
        asked: ClassVar[list[str]] = []

    Now.status, Now.text = status, text
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Now)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    notes = Notes()
    group = given.group(join_kubernetes_key=f"http://127.0.0.1:{server.server_address[1]}{path}")
    try:
        with httpx.Client() as client:
            found = list(expiry_probe.of_packages(given.facts(group), client, minor, notes))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return found, Now.asked, notes


def test_where_joins_fetch_their_keys() -> None:
    mirror = given.group("b", join_kubernetes_packages="https://mirror.example.org/{minor}/")
    baked = given.group("c", join_kubernetes="image")
    assert expiry_probe.key_urls(given.facts(given.group(), mirror, baked)) == {
        "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/Release.key": ("web",),
        "https://mirror.example.org/{minor}/Release.key": ("b",),
    }


@gnupg
def test_the_key_that_joins_fetch_is_fetched() -> None:
    (found,), asked, notes = fetched(200, key("ends"))
    assert asked == ["GET /v1.36/key"]
    assert found.ends_at == ENDS
    assert len(notes.seen) == 1
    assert fetched(200, key("ends"), "/key", None)[1] == ["GET /key"]
    assert "release is not known" in fetched(200, key("ends"), minor=None)[2].unseen[0].because


@gnupg
def test_a_key_that_never_ends_silences_the_date() -> None:
    found = fetched(200, key("never"))[0]
    of = given.facts(certificates=tuple(found))
    assert list(expiry.judge(given.change(of, now=expiry.KEY_ENDS.timestamp()))) == []


@pytest.mark.parametrize(("status", "text"), [(404, b""), (200, b"<html>")])
def test_a_key_that_cannot_be_had_is_reported(status: int, text: bytes) -> None:
    found, _, notes = fetched(status, text)
    assert found == []
    (missed,) = notes.unseen
    assert missed.because


# -- certificates and tokens ---------------------------------------------------------------------


def test_when_a_certificate_ends(tmp_path: Path) -> None:
    from cryptography import x509  # noqa: PLC0415

    pem = certificates.Authority(tmp_path, "ca").path.read_text()
    wanted = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()
    (found,) = expiry_probe.of_authority(pem)
    assert found.ends_at == wanted
    two = list(expiry_probe.of_authority(pem + pem))
    assert [each.what for each in two] == ["the cluster's CA", "the cluster's CA (certificate 2)"]
    assert list(expiry_probe.of_authority("nonsense")) == []


def certificate(ends: datetime.datetime) -> bytes:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    return (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def as_pem(data: bytes) -> str:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        (b"491231235959Z", datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)),
        (b"500102000000Z", datetime.datetime(1950, 1, 2, tzinfo=datetime.UTC)),
        (b"20500101000000Z", datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC)),
    ],
)
def test_both_forms_of_a_certificates_time(written: bytes, ends: datetime.datetime) -> None:
    whole = certificate(ends)
    assert written in whole
    (found,) = expiry_probe.of_authority(as_pem(whole))
    assert found.ends_at == ends.timestamp()


@pytest.mark.parametrize("wrong", [b"4912312359590", b"x91231235959Z", b"491331235959Z"])
def test_a_time_that_is_none(wrong: bytes) -> None:
    whole = certificate(datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC))
    broken = whole.replace(b"491231235959Z", wrong)
    assert list(expiry_probe.of_authority(as_pem(broken))) == []


def kubeconfig(folder: Path, user: dict) -> str:
    path = folder / "kubeconfig"
    fields = {
        "users": [{"name": "u", "user": user}, {"name": "other", "user": {}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u"}},
            {"name": "y", "context": {"cluster": "c", "user": "other"}},
        ],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(fields))
    return str(path)


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{body}.signature"


def test_what_a_kubeconfig_proves_who_we_are_with(tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path, "ca")
    authority.issue("me", dns=("me",))
    pem = (tmp_path / "me.pem").read_bytes()
    (tmp_path / "token").write_text(token(exp=77))
    both = pem + (tmp_path / "me.key").read_bytes()
    for user, end in (
        ({"client-certificate-data": base64.b64encode(both).decode()}, None),
        ({"client-certificate": "me.pem"}, None),
        ({"client-certificate": "me.pem", "token": token(exp=55)}, None),
        ({"token": token(exp=55)}, 55.0),
        ({"tokenFile": "token"}, 77.0),
    ):
        notes = Notes()
        (found,) = expiry_probe.of_kubeconfig(kubeconfig(tmp_path, user), "", notes)
        ends = next(iter(expiry_probe.of_authority(pem.decode()))).ends_at if end is None else end
        assert found.ends_at == ends
        assert len(notes.seen) == 1


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"token": "opaque"},
        {"token": token(iss="x")},
        {"token": "a.!.c"},
        {"client-certificate": "gone.pem"},
        {"client-certificate-data": "!"},
    ],
)
def test_what_does_not_say_its_end_is_reported(tmp_path: Path, user: dict) -> None:
    notes = Notes()
    path = kubeconfig(tmp_path, user)
    assert list(expiry_probe.of_kubeconfig(path, "", notes)) == []
    assert len(notes.unseen) == 1
    assert not any("opaque" in each.because for each in notes.unseen)


def test_the_context_that_was_named_counts(tmp_path: Path) -> None:
    notes = Notes()
    path = kubeconfig(tmp_path, {"token": token(exp=55)})
    assert list(expiry_probe.of_kubeconfig(path, "y", notes)) == []
