from __future__ import annotations

from pathlib import Path

import pytest

from tests.bootstrap import fake_metadata, guest
from tests.bootstrap.guest import Guest


@pytest.fixture
def fresh(tmp_path: Path) -> Guest:
    machine = Guest(tmp_path)
    fake_metadata.hetzner(machine)
    fake_metadata.package_hosts(machine)
    return machine


@pytest.fixture
def baked(tmp_path: Path) -> Guest:
    machine = Guest(tmp_path)
    fake_metadata.hetzner(machine)
    machine.has("containerd", *guest.CONTAINERD_2_3)
    machine.has("kubelet", "v1.36.0")
    machine.has("kubeadm", "v1.36.0")
    return machine
