"""A purge deletes what is this cluster's, or exactly what was named; it never guesses."""

from __future__ import annotations

import click.testing
import pytest

from externalgrpc import cli
from externalgrpc.commands import purging
from externalgrpc.kube import identity
from externalgrpc.support import clock
from providers import contract, errors, memory
from providers.memory import datacenter
from tests.diagnosis import cluster
from tests.kube import apiserver

OTHERS = "bbbbbbbbbb"
HAND = "abcdef0123"


class Sky:
    """A memory cloud that is kept in a file, so that every process sees the same machines."""

    def __init__(self, folder):
        self.state_file = folder / "cloud.json"
        self.options = datacenter.Options(
            state_file=str(self.state_file),
            boot_time_s=0.0,
            create_latency_s=0.0,
            list_latency_s=0.0,
            delete_latency_s=0.0,
            delete_time_s=0.0,
        )
        self.config = folder / "pools.yaml"
        self.write()

    def write(self, more="", name="test"):
        options = (
            f"{{stateFile: {self.state_file}, bootTimeS: 0, createLatencyS: 0, listLatencyS: 0,"
            " deleteLatencyS: 0, deleteTimeS: 0}"
        )
        self.config.write_text(
            f"cluster: {name}\n{more}"
            f"accounts:\n- {{name: ram, provider: memory, options: {options}}}\n"
            "nodes:\n- {name: web, account: ram, instanceType: small, region: north, maxSize: 9}\n"
            "- {name: db, account: ram, instanceType: small, region: north, maxSize: 9}\n"
        )

    def login(self, name="test"):
        login = contract.Login(account="ram", cluster=name, token="", settings=self.options)
        return memory.MemoryCloud(login)

    def make(self, *names, identity="", group="web", name="test"):
        cloud = self.login(name)
        small = next(each for each in cloud.machine_types() if each.name == "small")
        for node_name in names:
            cloud.create(
                contract.Order(
                    node_name=node_name,
                    cluster=name,
                    group=group,
                    identity=identity,
                    machine_type=small,
                    location="north",
                    image="",
                    user_data="",
                )
            )

    def names(self, name="test"):
        return sorted(each.node_name for each in self.login(name).instances())

    def id_of(self, node_name):
        return next(
            each.provider_id for each in self.login().instances() if each.node_name == node_name
        )


@pytest.fixture
def sky(tmp_path):
    return Sky(tmp_path)


@pytest.fixture
def kube(tmp_path, sky):
    with cluster.running() as server:
        path = cluster.kubeconfig(server, tmp_path)
        sky.write(f"kubernetes: {{kubeconfig: {path}}}\n")
        yield server


def purge(sky, *words, code=0, typed=None, **environ):
    done = click.testing.CliRunner().invoke(
        cli.cli, ["purge", "--config", str(sky.config), *words], input=typed, env=environ
    )
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def test_with_kubernetes_only_our_own_and_the_unmarked_go(sky, kube):
    mine = identity.shortened(kube.uid)
    sky.make("web-mine", identity=mine)
    sky.make("web-old")
    sky.make("web-theirs", "db-theirs", identity=OTHERS)
    output = purge(sky, "--dry-run")
    assert "2 machines would be deleted" in output
    line = f"vps-autoscaler purge --config FILE --identity {OTHERS} deletes"
    assert f"left alone: 2 of identity {OTHERS}; {line}" in output
    assert len(sky.names()) == 4
    output = purge(sky, "--yes")
    assert line in output
    assert "[2/2]" in output
    assert sky.names() == ["db-theirs", "web-theirs"]
    again = purge(sky, "--yes")
    assert "no machine carries the mark of cluster test that this would delete" in again
    # The line that was printed does what it says.
    assert "[2/2]" in purge(sky, "--identity", OTHERS, "--yes")
    assert sky.names() == []
    assert cluster.only_read(kube)


def test_a_machine_of_several_identities_is_left_alone(sky, kube):
    sky.make("web-odd", identity=OTHERS)
    odd = sky.login().instances()[0]
    machine = contract.Instance(
        **{
            **{f: getattr(odd, f) for f in odd.__dataclass_fields__},
            "identity": contract.NOBODYS,
        }
    )
    found = [purging.Found("ram", sky.login(), machine)]
    choice = purging.ours(found, identity.Known(identity.shortened(kube.uid)))
    assert choice.chosen == ()
    assert "1 with several identities, or what is none" in next(choice.messages())
    with pytest.raises(purging.Unsure, match="with several identities"):
        purging.ours(found, None)


@pytest.mark.parametrize("words", [("--yes",), ("--dry-run",)])
def test_without_kubernetes_several_identities_are_not_guessed_at(sky, words):
    sky.make("web-a", identity=HAND)
    sky.make("web-b", "web-c")
    output = purge(sky, *words, code=1)
    assert "nothing was deleted" in output
    assert f"1 of identity {HAND}: vps-autoscaler purge --config FILE --identity {HAND}" in output
    assert "2 without identity: vps-autoscaler purge --config FILE --identity none" in output
    assert len(sky.names()) == 3
    assert "[2/2]" in purge(sky, "--yes", "--identity", "none")
    assert sky.names() == ["web-a"]
    # One kind alone is no question without a cluster to ask.
    assert "[1/1]" in purge(sky, "--yes")


@pytest.mark.parametrize("fault", [403, 500, apiserver.LOST])
def test_a_cluster_that_does_not_answer_is_no_leave_to_guess(sky, kube, fault):
    sky.make("web-a", identity=OTHERS)
    kube.fail("GET", fault, path=identity.PATH, times=9)
    output = purge(sky, "--yes", code=1)
    assert "the cluster does not tell its identity" in output
    assert f"vps-autoscaler purge --config FILE --identity {OTHERS}" in output
    assert sky.names() == ["web-a"]


def test_a_cluster_that_does_not_answer_is_not_needed_for_the_unmarked(sky, kube):
    sky.make("web-a", "web-b")
    kube.fail("GET", 500, path=identity.PATH)
    assert "[2/2]" in purge(sky, "--yes")


def test_exactly_one_machine(sky, kube):
    sky.make("web-a", "web-b", identity=OTHERS)
    sky.make("db-a")
    output = purge(sky, "--machine", sky.id_of("web-a"), typed="y\n")
    assert "Delete this machine of cluster test?" in output
    assert sky.names() == ["db-a", "web-b"]
    output = purge(sky, "--machine", sky.id_of("web-b"), typed="n\n", code=1)
    assert sky.names() == ["db-a", "web-b"]
    assert "no machine memory://999" in purge(sky, "--machine", "memory://999", "--yes", code=1)
    output = purge(sky, "--machine", "hcloud://1", "--yes", code=1)
    assert "no account is at the cloud of hcloud://1" in output
    sky.make("else-a", name="else")
    elsewhere = sky.login("else").instances()[0].provider_id
    assert "nothing was deleted" in purge(sky, "--machine", elsewhere, "--yes", code=1)
    assert sky.names("else") == ["else-a"]


@pytest.mark.parametrize(
    "words", [("--identity", "x"), ("--identity", "ABCDEF0123"), ("--identity",)]
)
def test_an_identity_is_ten_digits(sky, words):
    sky.make("web-a")
    purge(sky, *words, "--yes", code=2)
    assert sky.names() == ["web-a"]


def test_identity_and_machine_do_not_go_together(sky):
    assert "do not go together" in purge(
        sky, "--identity", "none", "--machine", "memory://1", code=2
    )


def test_an_empty_identity_is_not_all_of_them(sky):
    sky.make("web-a")
    purge(sky, "--identity", "", "--yes", code=2)
    purge(sky, "--machine", "", "--yes", code=1)
    assert sky.names() == ["web-a"]


def test_what_lay_beside_the_machines_of_a_group_goes_with_the_last(sky):
    sky.make("web-a", "web-b")
    sky.make("db-a", group="db")
    output = purge(sky, "--machine", sky.id_of("web-a"), "--yes")
    assert "shelf" not in output
    sky.make("other-a", group="other")
    cloud = sky.login()
    cloud.delete(sky.id_of("other-a").rpartition("/")[2])
    sky.config.write_text(sky.config.read_text().replace("name: db", "name: other"))
    output = purge(sky, "--machine", sky.id_of("web-b"), "--yes")
    assert "deleted: shelf of group 'web'" in output
    # Whoever names one machine means nothing else: another group's may be about to be made.
    assert "other" not in output
    sky.write()
    assert "db" not in output.partition("deleted: shelf")[2]
    assert "deleted: shelf of group 'db'" in purge(sky, "--yes")


def test_a_group_with_machines_left_alone_keeps_what_lies_beside(sky, kube):
    sky.make("web-a", identity=identity.shortened(kube.uid))
    sky.make("web-b", identity=OTHERS)
    assert "shelf" not in purge(sky, "--yes")
    assert sky.names() == ["web-b"]


def test_what_an_earlier_run_left_is_tidied_by_the_next(sky):
    sky.make("web-a")
    cloud = sky.login()
    cloud.delete(cloud.instances()[0].id)
    output = purge(sky, "--yes")
    assert "no machine carries the mark of cluster test" in output
    assert "deleted: shelf of group 'web'" in output
    assert "shelf" not in purge(sky, "--yes")


class Slow:
    """A cloud whose machines take two looks to go; what is beside them goes only then."""

    def __init__(self, machine, error=None):
        self.looks, self.machine, self.error, self.asked = 0, machine, error, []

    def instances(self):
        self.looks += 1
        return (self.machine,) if self.looks <= 2 else ()

    def tidy(self, *, groups, nodes):
        self.asked.append((groups, nodes))
        if self.error:
            raise self.error
        return ("placement group 7",)


@pytest.mark.parametrize("error", [None, errors.Unreachable("no way")])
def test_tidying_waits_until_the_machines_are_gone(sky, error):
    sky.make("web-a")
    machine = sky.login().instances()[0]
    slow, result, paused = Slow(machine, error), [], []
    deleted = [purging.Found("ram", slow, machine)]
    purging.tidy(
        slow, deleted, (), result.append, time_source=clock.SystemClock(), pause=paused.append
    )
    assert (slow.looks, paused) == (3, [purging.LOOK_EVERY_S] * 2)
    assert slow.asked == [(["web"], ["web-a"])]
    last = "not tidied up, run it again: no way" if error else "deleted: placement group 7"
    assert result == [
        "waiting for 1 machines to be gone, to delete what was made beside them",
        last,
    ]


def test_only_groups_without_any_machine_are_tidied(sky):
    sky.make("web-a", "web-b")
    sky.make("db-a", group="db")
    machines = {each.node_name: each for each in sky.login().instances()}
    slow = Slow(machines["web-a"])
    slow.instances = lambda: (machines["web-b"],)
    deleted = [purging.Found("ram", slow, machines[name]) for name in ("web-a", "db-a")]
    purging.tidy(slow, deleted, ("web", "db", "new"), lambda _told: None)
    assert slow.asked == [(["db", "new"], ["db-a", "web-a"])]


def test_machines_that_do_not_go_are_not_waited_for_for_ever(sky):
    sky.make("web-a")
    machine = sky.login().instances()[0]
    slow, result, paused = Slow(machine), [], []
    slow.instances = lambda: (machine,)

    class Clock:
        def __init__(self):
            self.now = 0.0

        def monotonic(self):
            return self.now

        unix = monotonic

        def pause(self, span_s):
            self.now += span_s
            paused.append(span_s)

    source = Clock()
    purging.tidy(
        slow,
        [purging.Found("ram", slow, machine)],
        (),
        result.append,
        time_source=source,
        pause=source.pause,
    )
    assert len(paused) == purging.GONE_WITHIN_S / purging.LOOK_EVERY_S
    assert result[-1].startswith("not all are gone yet: run it again")


def test_a_deletion_that_fails_is_reported_and_ends_badly(sky, monkeypatch):
    sky.make("web-a", "web-b")
    first = sky.id_of("web-a")
    real = memory.MemoryCloud.delete

    def delete(self, instance_id):
        if first.endswith(f"//{instance_id}"):
            raise errors.Throttled("locked")
        real(self, instance_id)

    monkeypatch.setattr(memory.MemoryCloud, "delete", delete)
    output = purge(sky, "--yes", code=1)
    assert f"{first}: locked" in output
    assert "1 machines were not deleted; run it again" in output
    assert "shelf" not in output
    assert sky.names() == ["web-a"]


def test_one_project_under_two_logins_counts_once(sky):
    sky.make("web-a")
    text = sky.config.read_text()
    login = next(line for line in text.splitlines() if "name: ram" in line)
    sky.config.write_text(text.replace(login, login + "\n" + login.replace("ram", "two")))
    assert "1 machines would be deleted" in purge(sky, "--dry-run")
    assert "[1/1]" in purge(sky, "--machine", sky.id_of("web-a"), "--yes")


def test_a_cluster_that_was_renamed_is_purged_by_its_old_name(sky):
    sky.make("web-a")
    sky.write(name="new")
    assert "no machine carries the mark of cluster new" in purge(sky, "--yes")
    # The environment is no hand: only a word on the command line wins over the file.
    purge(sky, "--yes", code=1, VPS_AUTOSCALER_CLUSTER="test")
    assert sky.names() == ["web-a"]
    assert "[1/1]" in purge(sky, "--yes", "--cluster", "test")
    assert sky.names() == []
    assert "is not a lower-case name" in purge(sky, "--cluster", "A", code=2)
