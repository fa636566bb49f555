"""Read a certificate request, and judge whether it may become a machine's kubelet certificate.

What Kubernetes itself checks (certificates/helpers.go, ValidateKubeletClientCSR) never ties the
requester to the name it asks for: a token that was read from one machine's user-data could become
any node, a control plane's among them. :func:`objection` ties them.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import re
import warnings
from collections.abc import Callable
from typing import Final

from externalgrpc.kube import api
from externalgrpc.model import loose

SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
NODE: Final = "system:node:"
TOKEN_USER: Final = "system:bootstrap:"  # noqa: S105 - a user's name, not a password

# A stranger's name that is longer than X.509 allows is refused below, and no line of stderr.
warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)

_NODES: Final = "system:nodes"
_NEEDED: Final = frozenset({"digital signature", "client auth"})
_ALLOWED: Final = _NEEDED | {"key encipherment"}
_LONGEST: Final = 64 * 1024
_NODE_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who a request wants to be: the node's name and its key, or why it can be none's.

    ``key`` is the SHA-256 of the public key (SubjectPublicKeyInfo) in hex.
    """

    node_name: str = ""
    key: str = ""
    objection: str = ""


UNREAD: Final = Subject(objection="it was not read: it does not come from a bootstrap token")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A CertificateSigningRequest, as far as it matters to us.

    ``username`` and ``groups`` are whom the API server saw. ``wanted`` is what is asked for; the
    text itself, which may be a megabyte, is not kept. ``created_at`` is in Unix seconds of the API
    server, 0 where it does not say.
    """

    name: str
    uid: str
    signer: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    wanted: Subject = UNREAD
    created_at: float = 0.0
    decided: bool = False
    approved: bool = False

    @property
    def token_id(self) -> str:
        """Return the id of the bootstrap token that asks; empty for anybody else."""
        ours = self.username.startswith(TOKEN_USER)
        return self.username.removeprefix(TOKEN_USER) if ours else ""


def read(obj: api.Object) -> Request | None:
    """Read a CertificateSigningRequest object; None when it has no name."""
    about, spec, status = (loose.mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    name = about.get("name")
    if not isinstance(name, str) or not name:
        return None
    conditions, username = status.get("conditions"), loose.text(spec.get("username"))
    ours = username.startswith(TOKEN_USER)
    return Request(
        name=name,
        uid=loose.text(about.get("uid")),
        signer=loose.text(spec.get("signerName")),
        username=username,
        groups=loose.words(spec.get("groups")),
        usages=loose.words(spec.get("usages")),
        wanted=subject(_bytes(spec.get("request"))) if ours else UNREAD,
        created_at=_unix(about.get("creationTimestamp")),
        decided=isinstance(conditions, list) and bool(conditions),
        approved="Approved" in _types(conditions),
    )


def subject(pem: bytes) -> Subject:
    """Find out which node a request wants to be.

    Its subject must be exactly O=system:nodes and CN=system:node:<name>, its signature must be its
    own key's, and it must ask for no name besides (no SAN of any kind).
    """
    if not pem or len(pem) > _LONGEST or pem.count(b"-----BEGIN") != 1:
        return Subject(objection="it holds no single request")
    try:
        return _subject(pem)
    except Exception as error:  # noqa: BLE001 - a stranger wrote it; whatever it is, it is a no
        return Subject(objection=f"it cannot be read ({type(error).__name__})")


def objection(
    request: Request,
    *,
    auth_group: str,
    minted_for: Callable[[str, str], bool],
) -> str:
    """Return why a request must never be approved, as the rest of a sentence; "" when it may be.

    ``minted_for`` says whether a token id belongs to a machine's name.
    """
    if request.signer != SIGNER:
        return "it is not for a kubelet's client certificate"
    if not request.token_id or auth_group not in request.groups:
        return "it does not come from a token of ours"
    usages = frozenset(request.usages)
    if not usages >= _NEEDED or not usages <= _ALLOWED:
        return "its usages are not those of a kubelet's client certificate"
    wanted = request.wanted
    if wanted.objection:
        return wanted.objection
    if not minted_for(request.token_id, wanted.node_name):
        return f"the token was not minted for {wanted.node_name!r}, which it wants to be"
    return ""


def _subject(pem: bytes) -> Subject:
    # Imported here: a server that approves nothing and watches nothing does without.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.x509 import oid  # noqa: PLC0415

    asked = x509.load_pem_x509_csr(pem)
    parts = [(each.oid, str(each.value)) for each in asked.subject]
    common = [value for what, value in parts if what == oid.NameOID.COMMON_NAME]
    organisations = [value for what, value in parts if what == oid.NameOID.ORGANIZATION_NAME]
    if not asked.is_signature_valid:
        return Subject(objection="its signature is not its key's")
    if organisations != [_NODES] or len(common) != 1 or len(parts) != 2:
        return Subject(objection=f"its subject is not O={_NODES} and one CN")
    if any(each.oid == oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME for each in asked.extensions):
        return Subject(objection="it asks for names besides the node's")
    node_name = common[0].removeprefix(NODE)
    if node_name == common[0] or not node_name:
        return Subject(objection=f"its CN does not begin with {NODE}")
    if not _NODE_NAME.match(node_name):
        return Subject(objection="its CN names what can be no node's name")
    key = asked.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Subject(node_name=node_name, key=hashlib.sha256(key).hexdigest())


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(loose.text(value), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _types(conditions: object) -> tuple[str, ...]:
    every = conditions if isinstance(conditions, list) else []
    return tuple(loose.text(loose.mapping(each).get("type")) for each in every)


def _unix(value: object) -> float:
    try:
        return datetime.datetime.fromisoformat(loose.text(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
