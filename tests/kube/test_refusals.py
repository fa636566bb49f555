"""A refusal is believed when it stands after Nodes could be read, and never before."""

from __future__ import annotations

import pytest

from externalgrpc.kube import api, errors, refusals
from tests.kube import apiserver

PATH = "/api/v1/namespaces/kube-system"


def test_what_is_answered_is_answered(server: apiserver.FakeServer, link: api.Api) -> None:
    assert refusals.get(link, PATH)["metadata"]["uid"] == server.uid


def test_a_refusal_that_stands_is_one(server: apiserver.FakeServer, link: api.Api) -> None:
    server.fail("GET", 403, path=PATH, times=2)
    with pytest.raises(refusals.Refused) as refused:
        refusals.get(link, PATH)
    assert refused.value.error.status == 403
    assert PATH in str(refused.value)


def test_a_server_that_refuses_nodes_too_says_nothing(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("GET", 403, path=PATH)
    server.fail("GET", 403, path="/api/v1/nodes")
    with pytest.raises(errors.KubeError, match="as Nodes are"):
        refusals.get(link, PATH)


def test_another_word_the_second_time_is_none(server: apiserver.FakeServer, link: api.Api) -> None:
    server.fail("GET", 403, path=PATH)
    server.fail("GET", 404, path=PATH)
    with pytest.raises(errors.NotFound):
        refusals.get(link, PATH, refusals={403, 404})


def test_only_what_counts_as_a_refusal_is_asked_again(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("GET", 404, path=PATH)
    with pytest.raises(errors.NotFound):
        refusals.get(link, PATH)
    assert refusals.get(link, PATH)["metadata"]["uid"] == server.uid
