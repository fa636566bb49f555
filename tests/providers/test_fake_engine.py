"""The engine under the fakes does what its faults, limits and latencies say, through real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from providers.fakes import engine

ROOT = Path(__file__).parents[2]


class Toy(engine.Fake):
    """A cloud of counters."""

    prefix = "/v1"

    def __init__(self) -> None:
        super().__init__(clock=engine.StoppedClock())
        self.things: list[str] = []
        self.bucket = engine.Bucket(5, 1.0)

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        return engine.Reply(status=status, body={"error": {"code": code, "message": message}})

    def limits(self, request: engine.Request) -> tuple[engine.Limiter, ...]:
        return (self.bucket,)

    def rate_headers(self, limiter: engine.Limiter, now: float) -> dict[str, str]:
        return {"Left": str(limiter.remaining(now)), "Reset": str(int(limiter.reset_at(now) - now))}

    def state(self) -> object:
        return self.things

    @engine.route("GET", "/things")
    def listed(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body={"things": self.things})

    @engine.route("GET", "/things/{name}")
    def shown(self, request: engine.Request) -> engine.Reply:
        if request.params["name"] not in self.things:
            raise engine.RefusalError(self.error(404, "not_found", "no such thing"))
        return engine.Reply(body={"thing": request.params["name"]})

    @engine.route("POST", "/things")
    def made(self, request: engine.Request) -> engine.Reply:
        self.things.append(request.json()["name"])
        return engine.Reply(status=201, body={"thing": self.things[-1]})

    @engine.route("DELETE", "/things/{name}")
    def broken(self, request: engine.Request) -> engine.Reply:
        raise ZeroDivisionError

    @engine.control("stock")
    def stocked(self, fields: dict[str, object]) -> object:
        return {"took": fields["count"]}


@pytest.fixture
def toy() -> Iterator[Toy]:
    with Toy() as fake:
        yield fake


@pytest.fixture
def client(toy: Toy) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {toy.token}"}
    with httpx.Client(base_url=toy.url, headers=key, timeout=5, trust_env=False) as it:
        yield it


def test_routes_keys_and_absences(toy: Toy, client: httpx.Client) -> None:
    assert client.post("/things", json={"name": "a"}).status_code == 201
    assert client.get("/things/a").json() == {"thing": "a"}
    assert client.get("/things/b").status_code == 404
    assert client.get("/nothing").status_code == 404
    assert client.put("/things").status_code == 405
    assert client.get("/things", headers={"Authorization": "Bearer no"}).status_code == 401


def test_a_body_that_is_no_json_is_the_vendors_error(client: httpx.Client) -> None:
    reply = client.post("/things", content=b"{")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "json_error")


def test_the_limit_refills_and_its_headers_tell(toy: Toy, client: httpx.Client) -> None:
    left = [client.get("/things").headers["Left"] for _ in range(5)]
    assert left == ["4", "3", "2", "1", "0"]
    refused = client.get("/things")
    assert (refused.status_code, refused.headers["Reset"]) == (429, "5")
    toy.advance(2)
    assert client.get("/things").headers["Left"] == "1"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", [engine.FaultKind.LOST, engine.FaultKind.HANG])
def test_an_answer_can_be_lost_before_or_after_the_work(
    toy: Toy, client: httpx.Client, kind: engine.FaultKind, *, after: bool
) -> None:
    toy.fail(kind, method="POST", path="/things$", after=after)
    with pytest.raises(httpx.TransportError):
        client.post("/things", json={"name": "a"}, timeout=0.2)
    assert toy.things == (["a"] if after else [])
    (exchange,) = toy.log("POST", "/things")
    assert (exchange.worked, exchange.sent, exchange.fault) == (after, False, kind)
    assert client.post("/things", json={"name": "b"}).status_code == 201


def test_answers_can_be_spoiled(toy: Toy, client: httpx.Client) -> None:
    toy.fail(engine.FaultKind.ERROR, status=503, code="unavailable", message="later")
    response = client.post("/things", json={"name": "a"})
    assert (response.status_code, response.json()["error"]["code"], toy.things) == (
        503,
        "unavailable",
        [],
    )
    toy.fail(engine.FaultKind.HTML, after=True)
    response = client.post("/things", json={"name": "a"})
    assert (response.status_code, response.headers["Content-Type"]) == (502, "text/html")
    assert toy.things == ["a"]
    toy.fail(engine.FaultKind.TRUNCATED)
    assert client.get("/things").content == b'{"things'
    toy.fail(engine.FaultKind.CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/things")
    toy.advance(10)
    toy.fail(engine.FaultKind.EMPTY)
    assert (client.get("/things").status_code, toy.exchanges[-1].reply.body) == (200, None)
    toy.fail(engine.FaultKind.THROTTLED, reset_s=-3)
    response = client.get("/things")
    assert (response.status_code, response.headers["Reset"], response.headers["Left"]) == (
        429,
        "-3",
        "0",
    )
    toy.fail(engine.FaultKind.CHANGED, change=lambda reply: engine.Reply(body={"other": 1}))
    assert client.get("/things").json() == {"other": 1}


def test_rules_skip_count_and_last(toy: Toy, client: httpx.Client) -> None:
    toy.bucket = engine.Bucket(100, 1)
    toy.fail(engine.FaultKind.ERROR, method="GET", skip=1, times=2)
    assert [client.get("/things").status_code for _ in range(4)] == [200, 503, 503, 200]
    toy.fail(engine.FaultKind.ERROR, times=None)
    assert [client.get("/things").status_code for _ in range(4)] == [503] * 4
    toy.faults.clear()
    assert client.get("/things").status_code == 200


def test_a_cloud_can_be_down_and_come_back(toy: Toy, client: httpx.Client) -> None:
    assert client.get("/things").status_code == 200
    toy.refuse()
    with pytest.raises(httpx.ConnectError):
        client.get("/things")
    toy.accept()
    assert client.get("/things").status_code == 200


def test_latency_is_waited_without_the_lock(toy: Toy, client: httpx.Client) -> None:
    toy.slow(30, method="POST")
    ends: list[Exception] = []

    def ask() -> None:
        try:
            client.post("/things", json={"name": "a"}, timeout=30)
        except httpx.HTTPError as error:
            ends.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    toy.wait_for(lambda: toy.peak == 1)
    assert client.get("/things").json() == {"things": []}
    toy.close()
    caller.join(10)
    assert [type(end) for end in ends] == [httpx.RemoteProtocolError]


def test_a_bug_of_the_fake_is_raised_when_it_closes() -> None:
    toy = Toy()
    toy.start()
    httpx.delete(f"{toy.url}/things/a", headers={"Authorization": "Bearer fake-token"})
    with pytest.raises(AssertionError, match=r"the fake itself broke: .*ZeroDivisionError"):
        toy.close()


def test_another_process_steers_it(toy: Toy, client: httpx.Client) -> None:
    knob = f"{toy.root}/_control"
    httpx.post(f"{knob}/fault", json={"kind": "error", "status": 500, "method": "GET"})
    assert client.get("/things").status_code == 500
    assert httpx.post(f"{knob}/stock", json={"count": 3}).json() == {"took": 3}
    wrong = httpx.post(f"{knob}/stok", json={})
    assert wrong.status_code == 400
    assert {"advance", "fault", "heal", "latency", "stock"} == set(wrong.json()["knobs"])
    client.post("/things", json={"name": "a"})
    assert httpx.get(f"{knob}/state").json() == ["a"]
    (first, second) = httpx.get(f"{knob}/log").json()
    assert (first["status"], first["fault"], second["body"]) == (500, "error", {"name": "a"})


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    script = tmp_path / "toy.py"
    script.write_text(
        "import sys\nfrom providers.fakes import program\n"
        "from tests.providers import test_fake_engine\n"
        "sys.exit(program.run(sys.argv[1:], lambda told: test_fake_engine.Toy()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--latency", "GET", "/things", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        reply = httpx.get(f"{url}/things", headers={"Authorization": "Bearer fake-token"})
        assert reply.json() == {"things": []}
        process.terminate()
        assert process.wait(10) == 0
