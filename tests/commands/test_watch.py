"""``ls --watch``: a line for each change where no terminal is, a live table where one is."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from externalgrpc.commands import watching
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client
from tests import serving, zoo
from tests.test_cli import ROOT, run

GROUP = pb.Group(id="web", target=1, min=0, max=3)


def show(*machines, **fields):
    return pb.ShowResponse(groups=[GROUP], machines=machines, **fields)


def machine(phase, **fields):
    return pb.Machine(name="web-1", group="web", phase=phase, **fields)


def lines(before, after):
    return list(watching.changes(before, after))


def test_the_first_answer_is_all_news():
    shown = show(machine("creating", machine_type="small", location="north"))
    assert lines(pb.ShowResponse(), shown) == [
        "group web: target 1, of 0 to 3",
        "machine web-1: creating, small in north",
    ]


def test_each_change_is_a_line():
    creating, runs = show(machine("creating")), show(machine("running"))
    assert lines(creating, runs) == ["machine web-1: creating -> running"]
    assert lines(runs, show(machine("running", registered=True))) == [
        "machine web-1: running -> running/node"
    ]
    assert lines(runs, show()) == ["machine web-1: running -> gone"]
    failed = show(machine("failed", error_code="OutOfStock", error_message="none left"))
    assert lines(creating, failed)[1:] == ["machine web-1: OutOfStock: none left"]
    grown = pb.ShowResponse(groups=[pb.Group(id="web", target=2, min=0, max=3)])
    assert lines(show(), grown) == [
        "group web: target 1, of 0 to 3 -> target 2, of 0 to 3",
    ]
    assert lines(show(), pb.ShowResponse()) == ["group web: gone"]


def test_trouble_and_its_end():
    sick = show(accounts=[pb.Account(name="a", trouble="no route")], outage="3 of 4 are lost")
    well = show(accounts=[pb.Account(name="a")])
    assert lines(well, sick) == ["account a: no route", "outage: 3 of 4 are lost"]
    assert lines(sick, well) == ["account a: well again", "outage: over"]


def test_time_that_passes_is_no_change():
    one = show(machine("running", age_seconds=1.0), uptime_seconds=1)
    two = show(machine("running", age_seconds=9.0, step_seconds_ago=3.0), uptime_seconds=9)
    assert lines(one, two) == []


@pytest.mark.parametrize("word", zoo.ENCODABLE)
def test_hostile_words_stay_on_their_line(word):
    evil = pb.ShowResponse(
        groups=[pb.Group(id="web", trouble=word)],
        machines=[pb.Machine(name=word, phase="running", doubt=word, doubt_message=word)],
        accounts=[pb.Account(name="a", trouble=word)],
        outage=word,
    )
    for line in lines(pb.ShowResponse(), evil):
        assert zoo.raw(line) == []


def ends_after(rounds):
    left = iter([False] * rounds + [True])
    return lambda _seconds: next(left)


def test_a_server_that_goes_away_is_asked_again(capsys):
    answers = iter([show(), client.CannotReach("no answer"), client.CannotReach("no"), show()])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watching.follow(ask, wide=False, as_json=False, pause=ends_after(3))
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert [line.split(" ", 1)[1] for line in err.splitlines()] == [
        "no answer; asking again",
        "the server answers again",
    ]


def test_json_is_a_document_a_line(capsys):
    answers = iter([show(), show(), show(machine("creating"))])
    watching.follow(lambda: next(answers), wide=False, as_json=True, pause=ends_after(2))
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(each["machines"]) for each in documents] == [0, 1]


def test_a_terminal_is_shown_a_table_that_changes():
    out = io.StringIO()
    screen = Console(file=out, force_terminal=True, width=120)
    answers = iter([show(), client.CannotReach("no answer"), show(machine("creating"))])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watching.follow(ask, wide=False, as_json=False, console=screen, pause=ends_after(2))
    assert "no answer; asking again" in out.getvalue()
    assert "1 creating" in out.getvalue()


def test_it_never_began_is_a_failure():
    done = run("ls", "--watch", "--address", "127.0.0.1:1", code=1)
    assert done.stderr.startswith("Error: no answer from 127.0.0.1:1")


def watched(address, *more, **how):
    argv = [sys.executable, "-m", "externalgrpc", "ls", "--watch", "--address", address, *more]
    return subprocess.Popen(argv, cwd=ROOT, **how)


def test_lines_come_as_things_happen_and_ctrl_c_ends_quietly(tmp_path):
    with serving.running(tmp_path) as up:
        process = watched(up.address, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            lines = iter(process.stdout.readline, "")
            assert "group alpha: target 0" in next(lines)
            up.plant.reconciler.grow("alpha", 1, cover=False)
            seen = next(line for line in lines if "machine alpha-" in line)
            assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ", seen)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
            process.communicate()


def test_a_real_terminal_shows_the_table_and_ctrl_c_ends_quietly(tmp_path):
    leader, follower = pty.openpty()
    got = bytearray()

    def read():
        try:
            while part := os.read(leader, 4096):
                got.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read, daemon=True)
    with serving.running(tmp_path) as up:
        process = watched(
            up.address, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
        )
        os.close(follower)
        reader.start()
        try:
            serving.until(lambda: b"alpha" in got, 20)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            process.wait()
            reader.join(10)
            os.close(leader)
    assert b"Traceback" not in got
    assert b"Aborted" not in got
    assert got.rstrip().endswith(b"\x1b[?25h"), "the cursor is back"
