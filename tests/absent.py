"""Skip what needs something that is not here, and list at the end of a run what that was.

A test says what it lacks in the words of a :class:`Need`, by :func:`skip` or :func:`unless`; the
summary of :mod:`tests.conftest` has one line for each need, with the number of tests behind it.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

import pytest


class Need(enum.Enum):
    """What a plain clone on a plain machine may lack, and how to have it."""

    IMPURE = "sockets and processes, which `make quick` refuses: make test"
    SHARED = "../shared beside this checkout (the vendors' documents, recorded requests, the seed)"
    NETWORK_NAMESPACES = "root, nft, ip and unshare on a kernel that makes network namespaces"
    LOCKED = "root, setpriv and unshare, to run with a read-only root and as another user"
    SYSTEM_PYTHON = "a Python that every user may run, with venv: package python3-venv"
    IPTABLES = "iptables, installed"
    UFW = "ufw, installed: the firewall of Vultr's images"
    CURL = "curl, installed"
    GPG = "gpg, installed (package gnupg)"
    SHELLCHECK = "shellcheck, installed"
    HELM = "helm: make chart builds it; or on PATH, or its path in HELM"
    KUBERO = "a checkout of kubero-dev/kubero-operator, its path in KUBERO_OPERATOR"
    HELM_3 = "Helm 3 beside Helm 4: make chart-versions builds it"
    VALIDATE = "kubectl-validate and the schemas of a Kubernetes release: make chart-versions"
    IMAGE = "an image that an engine built here, its name in IMAGE: make image-test"
    UPSTREAM_CHART = (
        "the autoscaler's own chart, its folder in UPSTREAM_CHART: "
        "cluster-autoscaler/charts/cluster-autoscaler of kubernetes/autoscaler"
    )
    CLOUD_INIT = "cloud-init's own schema: the package cloud-init, or its path in CLOUD_INIT_SCHEMA"
    KUBEADM = "kubeadm: tests/e2e/tools/build kubeadm makes one"
    CHROMIUM = "Chromium and chromedriver, installed, or their paths in CHROMIUM and CHROMEDRIVER"
    AUTOSCALER = "the real cluster-autoscaler: on PATH, or its path in CLUSTER_AUTOSCALER"
    KEDA_CRD = (
        "KEDA's CRD of ScaledObjects, its path in KEDA_CRD: go mod download -json "
        "github.com/kedacore/keda/v2@v2.20.0, config/crd/bases/keda.sh_scaledobjects.yaml there"
    )
    PROMETHEUS = (
        "prometheus and promtool: python -m tests.chart.prometheus unpacks Debian's; or on PATH, "
        "or named in PROMETHEUS and PROMTOOL"
    )
    LINODE_CLI = "linode-cli: pip install linode-cli, or its path in LINODE_CLI"
    PYDO = "DigitalOcean's own client: pip install pydo"
    LIBCLOUD = "libcloud, for its Vultr driver: pip install apache-libcloud"


PREFIX = "left out, for want of "


def skip(need: Need) -> NoReturn:
    """Skip the test that runs."""
    pytest.skip(PREFIX + need.value)


def unless(here: object, need: Need) -> pytest.MarkDecorator:
    """Mark tests as skipped unless what they need is here."""
    return pytest.mark.skipif(not here, reason=PREFIX + need.value)


def lines(skipped: Iterable[Any]) -> list[str]:
    """Write a line for every need among the reports of skipped tests, the largest first."""
    found = (re.search(f"{PREFIX}(.*)", str(report.longrepr[-1])) for report in skipped)
    counted = Counter(each[1] for each in found if each)
    return [
        f"left out: {number} test{'s' * (number > 1)}, for want of {need}"
        for need, number in counted.most_common()
    ]
