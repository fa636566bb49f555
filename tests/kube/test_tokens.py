from __future__ import annotations

import base64
import json
import logging
import threading
from pathlib import Path

import pytest

from externalgrpc.kube import api, connection, errors, tokens
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import apiserver

SECRETS = tokens.PATH
IDS = ("3kn598", "iapkpt", "yxwvhu", "4zpb5z")
COLLIDING = ("pool-27694", "pool-29023")
"""Two names whose first id is the same: found by trying 29,023 of them."""


@pytest.fixture
def minted(link: api.Api) -> tokens.Tokens:
    return tokens.Tokens(link, cluster="prod")


def _there(server: apiserver.FakeServer) -> dict[str, str]:
    """Return the tokens that exist: id to secret."""
    return {
        base64.b64decode(each["data"]["token-id"]).decode(): base64.b64decode(
            each["data"]["token-secret"]
        ).decode()
        for each in server.items.values()
    }


def test_the_ids_of_a_name_never_change() -> None:
    # A later release must be able to revoke what this one minted.
    assert tokens.ids("prod", "pool-aaaaaa") == IDS
    assert tokens.ids("prod", "pool-aaaaab") != IDS
    assert tokens.ids("test", "pool-aaaaaa") != IDS
    assert len(set(IDS)) == 4


def test_a_token_lives_as_long_as_its_machine_may_take_and_no_longer() -> None:
    assert tokens.lifetime_s(600) == 900
    assert tokens.lifetime_s(900) == 1200
    assert tokens.lifetime_s(3600) == 1800


def test_nobody_gets_to_see_a_secret(
    server: apiserver.FakeServer, minted: tokens.Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    minted.revoke("pool-aaaaaa")
    assert token.secret not in repr(token)
    assert token.secret not in caplog.text
    assert len(token.secret) == 16
    assert token.text == f"{token.id}.{token.secret}"


def test_secrets_differ(minted: tokens.Tokens) -> None:
    made = [minted.mint(f"pool-{number}", "pool", ttl_s=600) for number in range(20)]
    assert len({each.secret for each in made}) == 20
    assert len({each.id for each in made}) == 20


def test_a_webhook_that_quotes_what_it_refuses_is_not_quoted(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    server.fail(
        "POST", 403, body=lambda asked: json.dumps({"message": f"refused: {asked['data']}"})
    )
    with pytest.raises(errors.Denied, match="in words that held the token") as value:
        minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    assert value.value.__cause__ is None
    assert value.value.__suppress_context__


@pytest.mark.parametrize("landed", [True, False])
def test_a_minting_without_answer_is_done_again_with_the_same_secret(
    server: apiserver.FakeServer, minted: tokens.Tokens, *, landed: bool
) -> None:
    server.fail("POST", apiserver.LOST, after=landed)
    with pytest.raises(errors.Unreachable):
        minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    first = _there(server)
    assert len(first) == int(landed)
    token = minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    assert _there(server) == {token.id: token.secret}
    assert not landed or first == {token.id: token.secret}
    assert minted.mint("pool-aaaaaa", "pool", ttl_s=600) is token


def test_a_failed_revocation_is_done_again(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    server.fail("DELETE", 500)
    with pytest.raises(errors.Unreachable):
        minted.revoke("pool-aaaaaa")
    assert len(_there(server)) == 1
    minted.revoke("pool-aaaaaa")
    minted.revoke("pool-aaaaaa")
    assert _there(server) == {}


def test_what_was_revoked_is_not_given_again_but_minted_anew(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    first = minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    server.fail("DELETE", 500)
    with pytest.raises(errors.Unreachable):
        minted.revoke("pool-aaaaaa")
    again = minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    assert again is not first
    assert _there(server) == {again.id: again.secret}
    minted.revoke("pool-aaaaaa")
    assert minted.mint("pool-aaaaaa", "pool", ttl_s=600).secret != first.secret


def test_a_revocation_while_it_is_minted_wins(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    posted, go_on = threading.Event(), threading.Event()
    put = server.put

    def slowly(path: str, thing: api.Object | None) -> None:
        if thing is not None:
            posted.set()
            assert go_on.wait(20)
        put(path, thing)

    server.put = slowly  # type: ignore[method-assign]
    outcome: list[BaseException] = []

    def mint() -> None:
        try:
            minted.mint("pool-aaaaaa", "pool", ttl_s=600)
        except tokens.Withdrawn as error:
            outcome.append(error)

    thread = threading.Thread(target=mint)
    thread.start()
    assert posted.wait(20)
    minted.revoke("pool-aaaaaa")
    go_on.set()
    thread.join(20)
    assert [str(each) for each in outcome] == [
        "the token of pool-aaaaaa was revoked while it was minted"
    ]
    assert _there(server) == {}


def test_two_names_that_share_an_id_do_not_share_a_token(
    server: apiserver.FakeServer, link: api.Api, minted: tokens.Tokens
) -> None:
    one, two = COLLIDING
    assert tokens.ids("prod", one)[0] == tokens.ids("prod", two)[0]
    first, second = (minted.mint(name, "pool", ttl_s=600) for name in (one, two))
    assert second.id == tokens.ids("prod", two)[1]
    assert minted.minted_for(first.id, one)
    assert not minted.minted_for(first.id, two)
    assert minted.minted_for(second.id, two)
    minted.revoke(two)
    assert _there(server) == {first.id: first.secret}
    # Nor does a revocation by name alone touch what is known to be another's.
    minted.revoke(two)
    assert _there(server) == {first.id: first.secret}
    minted.revoke(one)
    assert _there(server) == {}


def test_an_id_is_kept_for_a_minting_whose_answer_was_lost(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    one, two = COLLIDING
    server.fail("POST", apiserver.LOST)
    with pytest.raises(errors.Unreachable):
        minted.mint(one, "pool", ttl_s=600)
    second = minted.mint(two, "pool", ttl_s=600)
    first = minted.mint(one, "pool", ttl_s=600)
    assert first.id == tokens.ids("prod", one)[0]
    assert _there(server) == {first.id: first.secret, second.id: second.secret}


def test_no_token_lives_longer_than_half_an_hour(minted: tokens.Tokens) -> None:
    token = minted.mint("pool-aaaaaa", "pool", ttl_s=7200)
    assert token.expires_at < clock.SystemClock().unix() + 1810


def test_another_process_knows_whose_an_id_is(link: api.Api) -> None:
    fresh = tokens.Tokens(link, cluster="prod")
    for token_id in IDS:
        assert fresh.minted_for(token_id, "pool-aaaaaa")
        assert not fresh.minted_for(token_id, "pool-aaaaab")


def test_taken_ids_are_stepped_over_until_there_are_none(
    server: apiserver.FakeServer, minted: tokens.Tokens
) -> None:
    for token_id in IDS:
        theirs = {"token-id": token_id, "token-secret": "theirs"}
        data = {key: base64.b64encode(each.encode()).decode() for key, each in theirs.items()}
        server.put(f"{SECRETS}/bootstrap-token-{token_id}", {"data": data})
    with pytest.raises(errors.Conflict, match="every token id that pool-aaaaaa stands for"):
        minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    assert _there(server) == dict.fromkeys(IDS, "theirs")
    server.put(f"{SECRETS}/bootstrap-token-{IDS[2]}", None)
    assert minted.mint("pool-aaaaaa", "pool", ttl_s=600).id == IDS[2]


def test_expired_tokens_are_forgotten(server: apiserver.FakeServer, minted: tokens.Tokens) -> None:
    first = minted.mint("pool-aaaaaa", "pool", ttl_s=0)
    server.put(f"{SECRETS}/bootstrap-token-{first.id}", None)

    def renewed() -> bool:
        return minted.mint("pool-bbbbbb", "pool", ttl_s=600) is not None and (
            "pool-aaaaaa" not in minted._held
        )

    waiting.until(renewed, "forgotten", within_s=10)
    assert minted.mint("pool-aaaaaa", "pool", ttl_s=600).secret != first.secret


def test_a_clock_that_is_wrong_does_not_shorten_a_token(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    class Behind(clock.SystemClock):
        """A clock an hour behind the server's."""

        def unix(self) -> float:
            return super().unix() - 3600

    server.api(tmp_path)
    path = str(tmp_path / "kubeconfig")
    link = connection.connect(kubeconfig=path, time_source=Behind()).api
    with pytest.raises(errors.NotFound):
        link.get("/version")
    assert 3590 < link.skew_s < 3610
    token = tokens.Tokens(link, cluster="prod").mint("pool-aaaaaa", "pool", ttl_s=600)
    assert abs(token.expires_at - clock.SystemClock().unix() - 600) < 10
