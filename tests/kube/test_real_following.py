"""Two pods on a real API server: who holds the autoscaler's Lease, and servers that follow it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from externalgrpc.kube import connection, errors, lease
from externalgrpc.leading import election
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import plane as planes
from tests.kube.test_real_leading import LEASES, NAMES, Pair, grow, held, orders, the_lease

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LEASE = "cluster-autoscaler"
HOSTS = ("pod-1", "pod-2")
LASTS_S = 3.0


class Holder:
    """What an autoscaler does with its Lease, as far as others see: client-go's way, no more."""

    def __init__(self, plane: planes.Plane, host: str) -> None:
        link = connection.connect(
            kubeconfig=str(plane.kubeconfig), time_source=clock.SystemClock(), read_s=1.0
        )
        store = lease.Store(link.api, namespace=planes.NAMESPACE, name=LEASE)
        # The holder's identity of client-go: the host, and what distinguishes processes.
        self._holds = election.Hold(store, f"{host}_{random.random()}", LASTS_S)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """End it as SIGKILL does: nothing is released."""
        self._over.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._over.wait(self._holds.round_s):
            try:
                self._holds.look(time.monotonic)
            except errors.Conflict:
                continue  # another was faster


class Pods:
    """Two pods, by their numbers: a holder of the Lease and a server each."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.holders = [Holder(pair.plane, host) for host in HOSTS]

    def leads(self) -> int:
        """Wait until a server acts; whose it is, and that the Lease says so too."""
        number = self.pair.servers.index(self.pair.await_acting())
        holder = str(the_lease(self.pair.plane, LEASE)["holderIdentity"])
        assert holder.startswith(HOSTS[number])
        return number

    def kill(self, number: int) -> None:
        self.holders[number].kill()
        self.pair.servers[number].program.kill()

    def start(self, number: int) -> None:
        self.pair.servers[number].start()
        self.holders[number] = Holder(self.pair.plane, HOSTS[number])


def names_hosts() -> bool:
    return shutil.which("unshare") is not None and not subprocess.call(
        ["unshare", "--uts", "hostname", "x"], stderr=subprocess.DEVNULL
    )


@pytest.fixture
def pods(plane: planes.Plane, tmp_path: Path) -> Iterator[Pods]:
    if not names_hosts():
        pytest.skip("no unshare --uts here: two pods need host names of their own")
    # The one right that it takes; in a pod with the autoscaler that is the autoscaler's.
    rights = ("role", "reads-lease"), ("rolebinding", "reads-lease")
    where = ("-n", planes.NAMESPACE)
    of = ("--verb=get", "--resource=leases.coordination.k8s.io", f"--resource-name={LEASE}")
    plane.kubectl(*where, "create", *rights[0], *of)
    account = f"--serviceaccount={planes.NAMESPACE}:{planes.ACCOUNT}"
    plane.kubectl(*where, "create", *rights[1], "--role=reads-lease", account)
    pair = Pair(tmp_path, plane, "--leader-elect=follow", hosts=HOSTS)
    made = Pods(pair)
    try:
        yield made
    finally:
        for each in made.holders:
            each.kill()
        pair.close()
        for each in rights:
            plane.kubectl(*where, "delete", *each)
        with plane.client() as api:
            api.delete(f"{LEASES}/{LEASE}")


def test_a_standby_that_is_killed_changes_nothing_for_the_one_that_acts(pods: Pods) -> None:
    pair = pods.pair
    with pair.watch:
        number = pods.leads()
        leader, standby = pair.servers[number], pair.servers[1 - number]
        before = the_lease(pair.plane, LEASE)
        acted = pair.watch.await_acted(NAMES)
        for count in range(1, 4):
            pods.kill(1 - number)
            assert grow(leader) == grpc.StatusCode.OK
            pair.created(count)
            pods.start(1 - number)
        pair.watch.later()
        after = the_lease(pair.plane, LEASE)
        assert after["renewTime"] > before["renewTime"]
        assert {**after, "renewTime": ""} == {**before, "renewTime": ""}
        assert (pair.watch.acted, pair.watch.at_once) == ([acted], [])
        assert f"held by {HOSTS[number]}" in held(standby)
        assert not leader.doubts()


def test_of_two_that_live_one_acts_and_what_the_other_was_asked_for_waits(pods: Pods) -> None:
    """Through the loss of a pod, of the autoscaler alone, and of the server alone."""
    pair, took = pods.pair, []
    with pair.watch:
        number = pods.leads()
        for count, blow in enumerate(("pod", "autoscaler"), start=1):
            # Over the socket, as an autoscaler may that leads before its server has seen it.
            other = 1 - number
            assert grow(pair.servers[other]) == grpc.StatusCode.OK
            assert pair.servers[other].phases().count("held") == 1
            began = time.monotonic()
            if blow == "pod":
                pods.kill(number)
            else:
                pods.holders[number].kill()
            pair.await_acting([pair.servers[other]])
            took.append(f"{blow} {time.monotonic() - began:.1f} s")
            if blow == "autoscaler":
                gone = pair.servers[number].program
                assert waiting.until(gone.ended, "who led ends") == 1
                gone.stop()
            pair.created(count)
            pods.start(number)
            number = other
            pair.watch.await_acted([NAMES[number]])
        # A server alone that comes back begins anew, under a Lease that never changed hands.
        before = the_lease(pair.plane, LEASE)["leaseTransitions"]
        pair.servers[number].program.kill()
        pair.servers[number].start()
        assert pods.leads() == number
        assert the_lease(pair.plane, LEASE)["leaseTransitions"] == before
        assert len(orders(pair.cloud)) == 2
        pair.watch.later()
        assert pair.watch.at_once == []
    sys.stdout.write(f"\nfollowed, with a Lease of {LASTS_S:.0f} s: {', '.join(took)}\n")
