"""What may befall clusters, machines and APIs in a history, apart from plain bad luck."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from providers.memory import datacenter
from tests.laws import kubernetes, lies, operator, side, simulation

FOREIGN = "fedcba9876"
"""The identity of a cluster that nobody here has."""


class Mishaps:
    """Do harm to a history's clusters; :meth:`mend` undoes what an operator would undo."""

    def __init__(
        self,
        sim: simulation.Simulation,
        chance: random.Random,
        sides: Sequence[side.Side],
        clouds: Mapping[str, datacenter.Datacenter],
        liars: Mapping[str, lies.Liar],
        edited: set[str],
    ) -> None:
        self._sim = sim
        self._chance = chance
        self._sides = sides
        self._clouds = clouds
        self._liars = liars
        self._edited = edited
        self._undo: list[Callable[[], None]] = []
        self._planes: list[kubernetes.Kubernetes] = []

    def mend(self) -> None:
        """Undo what is wrong with labels, APIs, contexts and Nodes."""
        for undo in self._undo:
            undo()
        self._undo.clear()
        for liar in self._liars.values():
            liar.end()
        for one in self._sides:
            self.unpause(one)
            api = one.setting.api
            if api is not None and api.of is not one.kubernetes:
                one.look_at(one.kubernetes)
            if one.setting.api is not None:
                one.setting.api.away = False
            one.kubernetes.mend()

    def pause(self, chance: random.Random) -> None:
        """Have an operator pause something for a while; the annotation, where there is one."""
        one = chance.choice(self._sides)
        what = chance.choice(operator.WHAT)
        self._sim.record(f"THE OPERATOR OF {one.name} PAUSES {what}")
        one.setting.operator.pause(what, on=True)
        one.reload()
        self._sim.at(chance.choice((20.0, 150.0, 400.0)), "", lambda: self.unpause(one))

    def unpause(self, one: side.Side) -> None:
        """Have everything of a cluster go on."""
        if one.setting.operator.paused:
            self._sim.record(f"THE OPERATOR OF {one.name} PAUSES NOTHING")
            one.setting.operator.pause("", on=False)
            one.reload()

    def rebuild(self) -> None:
        """Replace a control plane: another identity, no Nodes."""
        one = self._any_side()
        if one.with_nodes:
            one.rebuild()

    def wrong_context(self) -> None:
        """Start a server with the kubeconfig of the other cluster, for a while."""
        able = [one for one in self._sides if one.with_nodes]
        if len(able) < 2 or any(one.setting.api.of is not one.kubernetes for one in able):  # type: ignore[union-attr]
            return
        self._chance.shuffle(able)
        wrong, other = able
        self._sim.record(f"SERVER {wrong.name} STARTED WITH THE CONTEXT OF {other.name}")
        wrong.look_at(other.kubernetes)

        def right() -> None:
            api = wrong.setting.api
            if api is not None and api.of is not wrong.kubernetes:
                self._sim.record(f"SERVER {wrong.name} STARTED WITH ITS OWN CONTEXT")
                wrong.look_at(wrong.kubernetes)

        self._sim.at(self._chance.choice((30.0, 200.0, 500.0)), "", right)

    def lose_nodes(self) -> None:
        """Lose Node objects, some or all; kubelets do not make theirs anew before a restart."""
        of = self._any_side().kubernetes
        names = sorted(of.nodes)
        if self._chance.random() < 0.5:
            names = names[: self._chance.randint(0, 2)]
        self._sim.record(f"Nodes of {of.key} are lost: {names}")
        of.lost |= set(names)
        of.look()
        back_s = self._chance.choice((60.0, 300.0, 2000.0))
        self._sim.at(back_s, "", lambda: of.lost.difference_update(names))

    def not_ready(self) -> None:
        """Make Nodes unready, few or most."""
        of = self._any_side().kubernetes
        names = sorted(of.nodes)
        if self._chance.random() < 0.4:
            names = names[:1]
        self._sim.record(f"Nodes of {of.key} are not ready: {names}")
        of.unready |= set(names)
        back_s = self._chance.choice((30.0, 200.0, 600.0))
        self._sim.at(back_s, "", lambda: of.unready.difference_update(names))

    def fall_ill(self, chance: random.Random) -> None:
        """Have one Node, or a few, stay away for long; somebody may say to leave it alone."""
        of = chance.choice(self._sides).kubernetes
        names = sorted(of.nodes)
        names = chance.sample(names, min(len(names), chance.choice((1, 1, 1, 2, 4))))
        absent, alone = chance.random() < 0.3, chance.random() < 0.2
        self._sim.record(f"Nodes of {of.key} stay away: {names}, absent {absent}, alone {alone}")
        (of.lost if absent else of.unready).update(names)
        if alone:
            of.alone |= set(names)
        of.look()

        def back() -> None:
            of.lost.difference_update(names)
            of.unready.difference_update(names)
            of.alone.difference_update(names)
            of.look()

        self._sim.at(chance.choice((50.0, 140.0, 400.0)), "", back)

    def away(self) -> None:
        """Keep a server from its API server for a while."""
        one = self._any_side()
        api = one.setting.api
        if api is None or api.of is not one.kubernetes:
            # Who sees the wrong cluster, and that no more, has nothing to go by at all.
            return
        self._sim.record(f"the API server of {api.of.key} is away")
        api.away = True

        def back() -> None:
            api.away = False

        self._sim.at(self._chance.choice((20.0, 100.0, 300.0)), "", back)

    def lie(self) -> None:
        """Have an API lie for a while."""
        account = self._chance.choice(sorted(self._liars))
        liar = self._liars[account]
        kind = self._chance.choice(lies.KINDS)
        names = sorted(machine.node_name for machine in self._clouds[account].servers())
        value = self._chance.choice(names or ["g-nobody"]) if kind == "one name" else "h"
        identity = self._chance.choice(("", FOREIGN, self._any_side().kubernetes.identity))
        self._sim.record(f"THE API OF {account} LIES: {kind} {value}")
        liar.begin(kind, value, identity)
        self._sim.at(self._chance.choice((5.0, 60.0, 400.0)), f"{account} lies no more", liar.end)

    def edit(self) -> None:
        """Change one label of a machine that nobody has touched, to something that stands."""
        cloud = self._clouds[self._chance.choice(sorted(self._clouds))]
        named = self._sim.provider_id
        there = [each for each in cloud.servers() if named(cloud, each) not in self._edited]
        if not there:
            return
        machine, other = self._chance.choice(there), self._chance.choice(there)
        field, value = self._chance.choice(
            (
                ("node_name", other.node_name),
                ("node_name", ""),
                ("node_name", f"g-edited{machine.id}"),
                ("group", self._chance.choice(("g", "h", "k", "nobodys"))),
                # Who writes another cluster's identity on a machine that is still unjoined forges
                # the very proof; he might as well delete it.
                ("identity", FOREIGN if machine.unjoined else other.identity),
                ("identity", FOREIGN),
                ("identity", ""),
                ("unjoined", not machine.unjoined),
            )
        )
        before = getattr(machine, field)
        self._sim.record(f"{machine.name} ({machine.id}): {field} {before!r} becomes {value!r}")
        self._edited.add(named(cloud, machine))
        cloud.edit(machine.id, **{field: value})

        def undo() -> None:
            if field != "unjoined" and any(each.id == machine.id for each in cloud.servers()):
                cloud.edit(machine.id, **{field: before})

        self._undo.append(undo)

    def usurp(self) -> None:
        """Have a Node say that it is its sibling's machine, until somebody looks after it."""
        of = self._any_side().kubernetes
        if len(of.nodes) < 2:
            return
        hostile, victim = self._chance.sample(sorted(of.nodes), 2)
        claim = of.nodes[victim].provider_id
        self._sim.record(f"Node {hostile} claims to be {victim} ({claim})")
        of.usurped[hostile] = claim
        of.look()
        self._sim.at(
            self._chance.choice((20.0, 300.0, 2000.0)), "", lambda: of.usurped.pop(hostile, None)
        )

    def _any_side(self) -> side.Side:
        return self._chance.choice(self._sides)
