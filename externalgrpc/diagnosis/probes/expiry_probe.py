"""Find out when things end: certificates of the CA and of a kubeconfig, tokens, package keys."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from externalgrpc.diagnosis.facts import Certificate, Facts
from externalgrpc.diagnosis.judges import expiry
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import package_key
from externalgrpc.kube import connection
from externalgrpc.model import credentials
from externalgrpc.support import regular_files

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_TIMEOUT_S: Final = 10.0
_LARGEST: Final = 1 << 20
_RENEW_CONFIG: Final = (
    "kubeadm certs renew, or kubectl -n vps-autoscaler create token vps-autoscaler "
    "--duration 2160h, and put it into {}"
)


def of_authority(ca_pem: str) -> Iterator[Certificate]:
    """Return when the certificates of the cluster's CA end; what cannot be read is passed over."""
    for number, each in enumerate(_certificates(ca_pem)):
        yield Certificate(
            what="the cluster's CA" + (f" (certificate {number + 1})" if number else ""),
            ends_at=each,
            cure="Replace the cluster's CA before: kubernetes.io, 'Manual Rotation of CA "
            "Certificates'; machines that join pin it",
        )


def of_kubeconfig(path: str, context: str, notes: Notes) -> Iterator[Certificate]:
    """Return when the credentials of a kubeconfig's context end, where they say it."""
    what = f"the credentials of {path}"
    try:
        user, folder = _user(connection.at_home(path), context)
        certificate = _text_of(user, "client-certificate", folder)
        token = str(user.get("token") or "") or _text_of(user, "tokenFile", folder)
    except regular_files.Unreadable as error:
        notes.missed(what, f"a file of theirs {error}")
        return
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        notes.missed(what, f"they cannot be read ({type(error).__name__})")
        return
    cure = _RENEW_CONFIG.format(path)
    ends = _certificates(certificate)[:1] if certificate else []
    if not ends and token and (end := token_ends_at(token)):
        ends = [end]
    if not ends:
        notes.skipped(f"{what}: their end", "they do not say when they end")
    for each in ends:
        notes.saw(what)
        yield Certificate(what=f"what {path} proves who we are with", ends_at=each, cure=cure)


def token_ends_at(token: str) -> float:
    """Read the end out of a service account's token (a JWT); 0 where there is none."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return 0.0
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        end = json.loads(body).get("exp")
    except (binascii.Error, ValueError, AttributeError):
        return 0.0
    return float(end) if isinstance(end, int) else 0.0


def of_packages(
    facts: Facts, client: httpx.Client, minor: int | None, notes: Notes
) -> Iterator[Certificate]:
    """Fetch the keys that joins fetch, and read when they end."""
    for result, its in key_urls(facts).items():
        url = result.replace("{minor}", f"1.{minor}")
        what = f"the key at {url}"
        if minor is None and url != result:
            notes.missed(f"the key at {result}", "the API server's release is not known")
            continue
        notes.progress(what)
        try:
            reply = client.get(url, follow_redirects=True, timeout=_TIMEOUT_S)
            reply.raise_for_status()
            if url.startswith("https:") and reply.url.scheme != "https":
                notes.missed(what, f"it leads to {reply.url.scheme}://, where no join follows")
                continue
            end = package_key.ends_at(reply.content[:_LARGEST])
        except (httpx.HTTPError, package_key.NoKey) as error:
            notes.missed(what, f"{error or type(error).__name__}")
            continue
        notes.saw(what)
        # One that never ends counts as far away, so that the date in the books is not reported.
        yield Certificate(
            what=f"{expiry.KEY} ({url}, groups {', '.join(its)})",
            ends_at=end if end is not None else float("inf"),
            cure=expiry.key_cure(),
        )


def key_urls(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Return where joins fetch the packages' keys, before the minor is filled in, and for whom."""
    urls: dict[str, tuple[str, ...]] = {}
    for group in expiry.installs(facts):
        settings = group.join_settings
        url = settings.kubernetes_key or f"{settings.kubernetes_packages.rstrip('/')}/Release.key"
        urls[url] = (*urls.get(url, ()), group.name)
    return urls


def _certificates(pem: str) -> list[float]:
    """Return when each certificate of a PEM text ends; none where that is unreadable."""
    try:
        text = "\n".join(_BLOCK.findall(pem))
        return [each.not_valid_after_utc.timestamp() for each in credentials.certificates(text)]
    except ValueError:
        return []


def _user(path: Path, context: str) -> tuple[Mapping[str, Any], Path]:
    document = yaml.safe_load(regular_files.text(path))
    chosen = context or document["current-context"]
    user = next(each for each in document["contexts"] if each["name"] == chosen)["context"]["user"]
    found = next(each for each in document["users"] if each["name"] == user)["user"]
    return (found if isinstance(found, dict) else {}), path.parent


def _text_of(user: Mapping[str, Any], key: str, folder: Path) -> str:
    if data := user.get(f"{key}-data"):
        return base64.b64decode(str(data)).decode()
    return regular_files.text(folder / str(user[key])) if user.get(key) else ""
