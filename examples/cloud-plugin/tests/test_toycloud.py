from __future__ import annotations

import dataclasses
import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import toyapi
import toycloud

from providers import conformance, contract, errors
from providers.conformance import histories
from providers.fakes.engine import FaultKind, Reply
from providers.kit import marks


class ToyControls(conformance.FakeControls):
    """How to bring things about at the fake, as far as the engine does not know."""

    creates = lists = "/machines$"
    marking, off = ("PUT", "/tags$"), "stopped"
    says: ClassVar = {
        "sold_out": "is sold out",
        "quota": "may not have more machines",
        "throttled": "not so fast",
        "bad_token": "opens nothing",
    }
    fake: toyapi.Api

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        tags = [marks.cluster_tag(cluster), marks.node_tag(node_name)] if cluster else []
        tags += [marks.group_tag(group)] if group else []
        asked = {"size": "small", "region": "north", "image": "debian-13", "tags": tags}
        return self.fake.add(node_name, asked, running=True).id

    def user_data(self, instance_id: str) -> bytes:
        user_data_given = self.fake.machines[instance_id].asked["user_data"]
        assert isinstance(user_data_given, bytes)
        return user_data_given

    def metadata(self, instance_id: str, headers: Mapping[str, str]) -> str:
        answer = json.dumps({"machine": {"id": instance_id, "cpus": 2}})
        return answer if headers.get("x-toy-metadata") == "yes" else ""

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.machines[instance_id].asked["tags"]
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def fail_an_accepted_order(self, chance: random.Random) -> None:
        self.fake.failing.append(chance.choice(["no_host_left", "sold_out"]))

    def calm(self) -> None:
        super().calm()
        self.fake.failing.clear()


class ToyBench(conformance.FakeBench):
    """One login at a fake of ours, for all of the suite."""

    cloud: ClassVar[type[contract.Provider]] = toycloud.ToyCloud
    settings = toycloud.AccountOptions()
    machine_type, location, image = "small", "north", "debian-13"
    names_unique, provider_id = False, "toycloud://{}"
    page_size = toycloud.PER_PAGE

    def begin(self, *, token: str, clock: Callable[[], float]) -> ToyControls:
        return ToyControls(toyapi.Api(token=token, clock=clock))


class TestToyCloud(ToyBench, conformance.FakeContract, histories.Histories):
    """What is true of every cloud, of this one too."""

    provider = "toycloud"

    # And what is only this cloud's own.

    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (400, errors.BadOrder),
            (401, errors.BadCredentials),
            (429, errors.Throttled),
            (500, errors.Unreachable),
        ],
    )
    def test_a_word_that_we_do_not_know_is_not_guessed_at(
        self, bench: conformance.Bench, status: int, meaning: type[errors.CloudError]
    ) -> None:
        order = self.order(bench, "web-a1")
        self.refuse(bench, status, "sold_outish", "a new word")
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is meaning
        self.check_error(caught.value, "create", "a new word (sold_outish)")
        with pytest.raises(errors.NotNow if meaning is errors.BadOrder else meaning):
            bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")

    @pytest.mark.parametrize(
        ("code", "fate"),
        [("no_host_left", errors.OutOfStock), ("image_not_found", errors.BadOrder)],
    )
    def test_an_accepted_order_may_still_fail(
        self, bench: conformance.Bench, code: str, fate: type[errors.CloudError]
    ) -> None:
        made = bench.provider.create(self.order(bench, "web-a1"))
        fields = {"node_name": "web-a1", "instance_id": made.id, "receipt": made.receipt}
        assert bench.provider.look_up(**fields) is not None
        self.api(bench).orders[made.receipt] = {"state": "failed", "code": code, "message": "sorry"}
        with pytest.raises(fate) as caught:
            bench.provider.look_up(**fields)
        self.check_error(caught.value, "look_up", f"sorry ({code})")
        bench.controls.run(made.id)
        assert bench.provider.look_up(**fields) is not None, "what runs has not failed"

    def test_of_two_machines_of_one_name_the_older_is_found(self, bench: conformance.Bench) -> None:
        order = self.order(bench, "web-a1")
        first = bench.provider.create(order)
        bench.controls.settle()
        assert bench.provider.create(order).id != first.id
        found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        assert found is not None
        assert found.id == first.id

    @pytest.mark.parametrize("lie", [{"total": 2}, {"next_page": 1}, {"next_page": 3}])
    def test_a_list_that_does_not_add_up_is_an_error(
        self, bench: conformance.Bench, lie: dict[str, int]
    ) -> None:
        bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        self.api(bench).lies = lie
        with pytest.raises(errors.Unreachable):
            bench.provider.instances()

    def test_the_api_s_filter_is_not_trusted(self, bench: conformance.Bench) -> None:
        self.api(bench).filters = False
        bench.controls.add(cluster="green", group="web", node_name="web-a1")
        other = bench.controls.add(cluster=self.cluster, group="web", node_name="web-b2")
        assert [one.id for one in bench.provider.instances()] == [other]
        assert bench.provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
        ours = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        assert found is not None
        assert found.id == ours, "the older one is another cluster's"

    def test_an_unknown_state_means_running_and_is_reported_once(
        self, bench: conformance.Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        ours = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        self.api(bench).machines[ours].word = "hibernating"
        for _ in range(2):
            (shown,) = bench.provider.instances()
            assert shown.state is contract.InstanceState.RUNNING
        assert [(one.message, one.levelno) for one in caplog.records] == [
            ("unknown machine state", logging.WARNING)
        ]

    def test_what_is_ordered_is_what_is_asked_for(self, bench: conformance.Bench) -> None:
        order = self.order(
            bench,
            "web-a1",
            ssh_keys=("ops",),
            labels={"team": "shop"},
            options=toycloud.GroupOptions(backups=True),
        )
        made = bench.provider.create(order)
        asked = self.api(bench).machines[made.id].asked
        assert asked["tags"] == [
            "vps-cluster:blue", "vps-group:web", "n:web-a1", "vps-unjoined", "team:shop",
        ]  # fmt: skip
        assert (asked["keys"], asked["backups"]) == (["ops"], True)

    def test_a_size_without_a_disk_has_the_group_s(self, bench: conformance.Bench) -> None:
        sizes = {one.name: one for one in bench.provider.machine_types()}
        chosen = toycloud.GroupOptions(disk_gb=80)
        for size, beside, whole in (("bare", 80, 80), ("small", 0, 40)):
            order = self.order(bench, f"web-{size}", machine_type=sizes[size], options=chosen)
            asked = self.api(bench).machines[bench.provider.create(order).id].asked
            assert asked["disk_gb"] == beside
            result = contract.as_ordered(bench.provider, sizes[size], chosen)
            assert result.disk_bytes == whole * 1000**3

    def test_what_cannot_work_is_reported_before(self, bench: conformance.Bench) -> None:
        good = self.order(bench, "web-a1")
        wrong = dataclasses.replace(good, image="", ssh_keys=("lost",), labels={"a b": "c"})
        text = "\n".join(bench.provider.check_order(wrong))
        for problem in ("no image is configured", "there is no key 'lost'", "the tag 'a b:c'"):
            assert problem in text
        with pytest.raises(errors.BadOrder, match="no image is configured"):
            bench.provider.create(wrong)
        with pytest.raises(ValueError, match="settleS must be greater than 0"):
            toycloud.AccountOptions(settle_s=0)

    @pytest.mark.parametrize("odd", [None, "", [], {}, 7], ids=repr)
    def test_an_answer_without_a_machine_does_not_say_gone(
        self, bench: conformance.Bench, odd: object
    ) -> None:
        ours = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        for answer in ({"machine": odd}, {}):
            change = Reply(body=answer)
            self.api(bench).fail(FaultKind.CHANGED, change=lambda _, reply=change: reply)
            with pytest.raises(errors.Unreachable):
                bench.provider.look_up(node_name="web-a1", instance_id=ours, receipt="")

    def api(self, bench: conformance.Bench) -> toyapi.Api:
        controls: Any = bench.controls
        api: toyapi.Api = controls.fake
        return api

    def refuse(self, bench: conformance.Bench, status: int, code: str, message: str) -> None:
        """Answer every request with this no."""
        fault = {"status": status, "code": code, "message": message}
        self.api(bench).fail(FaultKind.ERROR, **fault, times=None)


ROWS = (
    (409, "sold_out", errors.OutOfStock),
    (409, "no_host_left", errors.OutOfStock),
    (409, "machine_limit", errors.QuotaExceeded),
    (429, "too_many_requests", errors.Throttled),
    (423, "machine_busy", errors.Throttled),
    (401, "bad_token", errors.BadCredentials),
    (403, "token_may_not", errors.BadCredentials),
    (422, "bad_request", errors.BadOrder),
    (422, "size_not_found", errors.BadOrder),
    (422, "image_not_found", errors.BadOrder),
    (422, "key_not_found", errors.BadOrder),
    (404, "machine_not_found", errors.BadOrder),
    (500, "internal", errors.Unreachable),
    # What nobody has seen yet.
    (422, "sold_outish", errors.BadOrder),
    (500, "sold_outish", errors.Unreachable),
)


class TestToyVocabulary(ToyBench, conformance.Vocabulary):
    """Every row of the two tables, to every call."""

    creates, machines = "/machines$", "/machines"
    numbers_requests = True
    refusals = tuple(
        conformance.Refusal(
            status, code, "the vendor's own sentence", meaning, gone=code == toycloud.NOT_FOUND
        )
        for status, code, meaning in ROWS
    )

    def test_every_word_of_the_table_has_a_row(self) -> None:
        rows = {(code, meaning) for _, code, meaning in ROWS}
        assert toycloud.CODES.items() <= rows


class TestToyWire(ToyBench, conformance.Wire):
    """Answers torn apart, trouble at every request, and no secret in a log."""

    creates, listing = "/machines$", "/machines$"
    refusal: ClassVar = {"status": 422, "code": "bad_request", "message": "that cannot be"}
