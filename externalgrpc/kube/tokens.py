"""Mint a bootstrap token for one machine, and revoke it, without the right to read any Secret.

The token's id is derived from the cluster's and the machine's name, so that after a crash it can
be revoked by whoever knows the machine. Two names may share an id (once in two billion pairs), and
so may a token that somebody else made: what exists under an id and is not known to be this
machine's is never touched; the next of a few ids that a name stands for is taken instead. The
secret is random.

A name keeps its secret for as long as this process knows it: an order whose answer was lost is
sent again, and if the first one made a machine after all, that machine must be able to join.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import secrets
import string
import threading
from typing import Final

from externalgrpc.kube import api, errors
from externalgrpc.support import logs

_LOG = logs.Log("kube")

LONGEST_S: Final = 1800.0
"""No token lives longer than half an hour."""

MARGIN_S: Final = 300.0
"""What is added to a group's provision timeout: clocks, and a machine that is late but alive."""

KUBEADM_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
"""The group that kubeadm's clusters approve by themselves."""

OWN_GROUP: Final = "system:bootstrappers:vps-autoscaler"
"""The group of deploy/own-approval.yaml, which nobody approves but us."""

OWNER: Final = {"app.kubernetes.io/managed-by": "vps-autoscaler"}
"""The label that the admission policy in deploy/ asks for before one of our Secrets may go."""

PATH: Final = "/api/v1/namespaces/kube-system/secrets"

_LETTERS: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 6
_SECRET_LENGTH: Final = 16
_IDS: Final = 4
_FRESH_S: Final = 60.0


class Withdrawn(Exception):
    """The token was revoked while it was being minted."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bootstrap token of one machine; ``expires_at`` in Unix seconds of the API server."""

    id: str
    secret: str = dataclasses.field(repr=False)
    expires_at: float

    @property
    def text(self) -> str:
        """Write it as ``id.secret``."""
        return f"{self.id}.{self.secret}"


def ids(cluster: str, node_name: str) -> tuple[str, ...]:
    """Return the token ids that a machine's name stands for, in the order they are tried."""
    return tuple(_derived(cluster, node_name, number) for number in range(_IDS))


def lifetime_s(provision_timeout_s: float) -> float:
    """Return how long a token lives: the provision timeout and a margin, at most half an hour."""
    return min(LONGEST_S, provision_timeout_s + MARGIN_S)


@dataclasses.dataclass(slots=True)
class _Held:
    """What is known of a name's token: ``minted`` once the API server has said so."""

    token: Token
    minted: bool = False
    withdrawn: bool = False


class Tokens:
    """The bootstrap tokens of one cluster's machines; callable from many threads, blocking.

    ``auth_group`` is the group that machines join under. ``signing`` is needed for kubeadm's token
    discovery only.
    """

    def __init__(
        self,
        of: api.Api,
        *,
        cluster: str,
        auth_group: str = KUBEADM_GROUP,
        signing: bool = False,
    ) -> None:
        self._api = of
        self._cluster = cluster
        self._auth_group = auth_group
        self._signing = signing
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def mint(self, node_name: str, group: str, *, ttl_s: float) -> Token:
        """Make the token of a machine, or renew it under the same id and secret.

        One that still lives nearly as long as asked for is given as it is. Raises KubeError, and
        Withdrawn when it was revoked meanwhile; a later mint or revocation of the same name takes
        care of what either may have left behind.
        """
        now = self._api.server_unix()
        expires_at = now + min(ttl_s, LONGEST_S)
        with self._lock:
            self._forget_expired(now)
            held = self._held.get(node_name)
        if held is None:
            secret, candidates = _random_secret(), ids(self._cluster, node_name)
        elif held.minted and not held.withdrawn and held.token.expires_at > expires_at - _FRESH_S:
            return held.token
        else:
            # Renewed: what stands there, if anything does, is ours. No right to update is needed.
            secret, candidates = held.token.secret, (held.token.id,)
            self._delete(held.token.id)
        for token_id in candidates:
            fresh = _Held(Token(id=token_id, secret=secret, expires_at=expires_at))
            if not self._claim(node_name, fresh):
                continue
            try:
                self._create(node_name, group, fresh.token)
            except errors.Conflict:
                self._let_go(node_name, fresh)
                _LOG.warning("token id is taken", name=node_name, id=token_id)
                continue
            return self._confirm(node_name, fresh)
        raise errors.Conflict(
            f"every token id that {node_name} stands for is taken", operation=f"POST {PATH}"
        )

    def revoke(self, node_name: str) -> None:
        """Delete the token of a machine; none there is success. Raises KubeError; try again then.

        Of a machine whose token another process minted the first id is deleted: that is the one
        it got, unless that id was taken, and then its token ends by itself.
        """
        with self._lock:
            held = self._held.get(node_name)
            if held is not None:
                held.withdrawn = True
                token_id = held.token.id
            else:
                token_id = ids(self._cluster, node_name)[0]
                if self._owner(token_id) is not None:
                    return
        self._delete(token_id)
        if held is not None:
            self._let_go(node_name, held)

    def minted_for(self, token_id: str, node_name: str) -> bool:
        """Return whether a token id is one that a machine's name stands for, and not another's."""
        with self._lock:
            owner = self._owner(token_id)
        if owner is not None:
            return owner == node_name
        return token_id in ids(self._cluster, node_name)

    def _claim(self, node_name: str, fresh: _Held) -> bool:
        with self._lock:
            if self._owner(fresh.token.id) not in (None, node_name):
                return False
            self._held[node_name] = fresh
            return True

    def _confirm(self, node_name: str, fresh: _Held) -> Token:
        with self._lock:
            wanted = self._held.get(node_name) is fresh and not fresh.withdrawn
            fresh.minted = wanted
        if wanted:
            return fresh.token
        self._delete(fresh.token.id)
        raise Withdrawn(f"the token of {node_name} was revoked while it was minted")

    def _let_go(self, node_name: str, held: _Held) -> None:
        with self._lock:
            if self._held.get(node_name) is held:
                del self._held[node_name]

    def _owner(self, token_id: str) -> str | None:
        return next((name for name, each in self._held.items() if each.token.id == token_id), None)

    def _forget_expired(self, now: float) -> None:
        for name in [name for name, each in self._held.items() if each.token.expires_at < now]:
            del self._held[name]

    def _create(self, node_name: str, group: str, token: Token) -> None:
        data = {
            "token-id": token.id,
            "token-secret": token.secret,
            "expiration": _rfc3339(token.expires_at),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": self._auth_group,
            "description": f"vps-autoscaler: joins {node_name} (group {group}, "
            f"cluster {self._cluster})",
        }
        if self._signing:
            data["usage-bootstrap-signing"] = "true"
        body: api.Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"bootstrap-token-{token.id}",
                "labels": {**OWNER, "vps-autoscaler/cluster": self._cluster},
                "annotations": {"vps-autoscaler/node": node_name, "vps-autoscaler/group": group},
            },
            "type": "bootstrap.kubernetes.io/token",
            "data": {key: base64.b64encode(each.encode()).decode() for key, each in data.items()},
        }
        try:
            self._api.post(PATH, body)
        except errors.KubeError as error:
            # An admission webhook may quote what it refuses.
            if token.secret in error.message or body["data"]["token-secret"] in error.message:
                raise type(error)(
                    "refused, in words that held the token", operation=error.operation
                ) from None
            raise

    def _delete(self, token_id: str) -> None:
        try:
            self._api.delete(f"{PATH}/bootstrap-token-{token_id}")
        except errors.NotFound:
            return


def _derived(cluster: str, node_name: str, number: int) -> str:
    digest = hashlib.sha256(f"{cluster}\0{node_name}\0{number}".encode()).digest()
    rest, letters = int.from_bytes(digest, "big"), []
    for _ in range(_ID_LENGTH):
        rest, letter = divmod(rest, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


def _random_secret() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_SECRET_LENGTH))


def _rfc3339(unix: float) -> str:
    moment = datetime.datetime.fromtimestamp(int(unix), tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
