"""Hold a cloud to the contract: one suite that every cloud passes, ours and other people's.

It is shipped for authors of clouds and needs pytest, which the server does not:
``pip install 'vps-autoscaler[conformance]'``. A cloud's test module looks like this::

    class MyControls(conformance.Controls):
        ...  # how to bring things about at the fake of your API

    class TestMyCloud(conformance.ProviderContract):
        machine_type, location, image = "small", "north", "debian-13"

        def make(self, *, cluster, account, token):
            with fake.serve() as api:
                login = contract.Login(account=account, cluster=cluster, token=token, ...)
                yield conformance.Bench(provider=MyCloud.open(login), controls=MyControls(api))

and then holds only what is that cloud's own. A cloud that speaks HTTP by itself inherits
:class:`HTTPContract` and :class:`HTTPControls` instead: they add silence and gateways' pages.

A fake on our engine (:mod:`providers.fakes`) spares most hooks: :class:`FakeContract` and
:class:`FakeControls`; and :class:`providers.conformance.histories.Histories`, which is imported by
itself since it brings the server along, lets whole servers work with such a cloud while everything
goes wrong.

pytest explains a failed assertion only where it is asked to, in ``conftest.py``::

    pytest.register_assert_rewrite("providers.conformance")

docs/adding-a-cloud.md walks through it; examples/cloud-plugin is a whole package that does it.
"""

from __future__ import annotations

try:
    import pytest  # noqa: F401 - looked for here, so that its absence is reported with its cure
except ImportError as error:
    raise ImportError(
        "the conformance suite needs pytest: pip install 'vps-autoscaler[conformance]'"
    ) from error

from providers.conformance.behind import HistoryControls
from providers.conformance.controls import Bench, Controls, HTTPControls
from providers.conformance.faking import FakeBench, FakeContract, FakeControls
from providers.conformance.ground import GROUP_SETTINGS, REGION_LABEL
from providers.conformance.suite import HTTPContract, ProviderContract
from providers.conformance.vocabulary import Refusal, Vocabulary, refused
from providers.conformance.wire import Wire

__all__ = [
    "GROUP_SETTINGS",
    "REGION_LABEL",
    "Bench",
    "Controls",
    "FakeBench",
    "FakeContract",
    "FakeControls",
    "HTTPContract",
    "HTTPControls",
    "HistoryControls",
    "ProviderContract",
    "Refusal",
    "Vocabulary",
    "Wire",
    "refused",
]
