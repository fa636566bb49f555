"""Describe groups and machines for the wire: templates, prices, the group's own sentence.

Joins what the fleet knows with what the configuration says and what the clouds know of their
types; caches nothing that outlives the Fleet value or the catalogues it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping

from externalgrpc.fleet import notnow, observed_capacity, state, view
from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig, pricing, template
from externalgrpc.pb import externalgrpc_pb2 as pb
from providers import contract


class Describer:
    """Describe, by the configuration in force."""

    def __init__(self, config: groups.Config, providers: Mapping[str, contract.Provider]) -> None:
        self._config = config
        self._providers = providers
        self._priced: tuple[tuple[state.Catalogue | None, ...], pricing.PriceList] | None = None

    def configure(self, config: groups.Config, providers: Mapping[str, contract.Provider]) -> None:
        """Take a new configuration."""
        self._config = config
        self._providers = {**self._providers, **providers}
        self._priced = None

    @property
    def gpu_label(self) -> str:
        """Return the label that GPU nodes carry."""
        return self._config.gpu_label

    @property
    def cover_forgotten(self) -> bool:
        """Return whether machines in the air answer a fresh CA's first growth."""
        return self._config.cover_forgotten

    @property
    def config(self) -> groups.Config:
        """Return the configuration in force."""
        return self._config

    def cloud(self, group: groups.NodeGroup) -> object:
        """Return the login at the cloud of a group."""
        return self._providers[group.account]

    def node_group(self, fleet: state.Fleet, group: groups.NodeGroup) -> pb.NodeGroup:
        """Describe a group as NodeGroups does."""
        size = view.target(fleet, group.name)
        least, most = notnow.bounds(fleet, group.name)
        said = notnow.why(fleet, group.name)
        first = group.candidates[0]
        more = f" (+{len(group.candidates) - 1})" if len(group.candidates) > 1 else ""
        trouble = view.trouble(fleet, group.name) or (said.reason if said is not None else "")
        unsure = len(view.quarantined(fleet, group.name))
        if unsure and not trouble:
            trouble = f"{unsure} in quarantine"
        return pb.NodeGroup(
            id=group.name,
            minSize=least,
            maxSize=most,
            debug=(
                f"{group.account}: {first.machine_type} in {first.location}{more}, "
                f"{size} of {group.min_size}..{group.max_size}"
                f"{f', {trouble}' if trouble else ''}"
            ),
        )

    def template_node(self, fleet: state.Fleet, group: groups.NodeGroup) -> bytes:
        """Serialize the node that a fresh machine of a group would become.

        A group whose types the cloud no longer knows gets a template that no pod fits on: an
        error would stop the whole loop of CA up to 1.30.
        """
        return template.template_node(group, self.prospects(fleet, group), gpu_label=self.gpu_label)

    def prospects(
        self, fleet: state.Fleet, group: groups.NodeGroup
    ) -> tuple[template.Prospect, ...]:
        """List the candidates of a group that its cloud knows."""
        provider = self._providers[group.account]
        catalogue = fleet.accounts[group.account].catalogue
        types = catalogue.machine_types if catalogue is not None else {}
        known = [
            (
                contract.as_ordered(provider, types[candidate.machine_type], group.options),
                candidate.location,
            )
            for candidate in group.candidates
            if candidate.machine_type in types
        ] or [(_nothing(group), group.candidates[0].location)]
        return tuple(
            template.Prospect(
                machine_type=machine_type,
                location=location,
                cloud_labels=provider.node_labels(machine_type, location),
                kept=kubeletconfig.kept(group.reserve, machine_type, kubelets(fleet, group)),
                learned=fleet.learned.get(
                    observed_capacity.make_of(group, machine_type.name), template.Learned()
                ),
            )
            for machine_type, location in known
        )

    def allocatable(
        self, fleet: state.Fleet, group: groups.NodeGroup
    ) -> tuple[template.Resources, bool]:
        """Return what a node of a group gives to pods at least, and whether that was measured."""
        prospects = self.prospects(fleet, group)
        measured = all(prospect.learned.allocatable.memory_bytes for prospect in prospects)
        return template.promised(group, prospects), measured

    def gpu_types(self, fleet: state.Fleet) -> tuple[str, ...]:
        """Return the GPU models that the served groups can have."""
        models = {
            prospect.machine_type.gpu_model
            for group in view.served(fleet)
            for prospect in self.prospects(fleet, group)
            if prospect.machine_type.gpus and prospect.machine_type.gpu_model
        }
        return tuple(sorted(template.label_value(model) for model in models))

    def prices(self, fleet: state.Fleet) -> pricing.PriceList:
        """Return the price list of all accounts; made anew when a catalogue is."""
        catalogues = tuple(account.catalogue for account in fleet.accounts.values())
        priced = self._priced
        fresh = priced is not None and len(priced[0]) == len(catalogues)
        if (
            priced is None
            or not fresh
            or any(a is not b for a, b in zip(priced[0], catalogues, strict=True))
        ):
            known = {
                name: account.catalogue
                for name, account in fleet.accounts.items()
                if account.catalogue is not None
            }
            priced = (
                catalogues,
                pricing.price_list(
                    {name: held.offers.values() for name, held in known.items()},
                    {name: held.machine_types.values() for name, held in known.items()},
                    currency=self._config.currency,
                    rates=self._config.rates,
                ),
            )
            self._priced = priced
        return priced[1]


def kubelets(fleet: state.Fleet, group: groups.NodeGroup) -> kubeletconfig.KubeletConfig | None:
    """Return the cluster's kubelet-config where machines of a group run by it.

    k3s has none, and what an image brings along is the image's.
    """
    return fleet.kubelets if group.join in ("kubeadm", "raw") else None


def _nothing(group: groups.NodeGroup) -> contract.MachineType:
    return contract.MachineType(
        name=group.candidates[0].machine_type, cpu_millis=0, memory_bytes=0, disk_bytes=0
    )
