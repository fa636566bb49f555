"""The 15 RPCs: protobuf in, domain call, protobuf out; nothing else.

No RPC waits for a cloud. What is asked for again and again is serialized once for a state of the
fleet (:mod:`externalgrpc.rpc.replies`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import grpc

from externalgrpc import fleet
from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import registering, view, wishes
from externalgrpc.model import fleet_errors, groups
from externalgrpc.nodes import pricing
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import autoscaler_release, calls, describe, options, replies
from externalgrpc.support import logs, plaintext

SERVICE = "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider"
FAKE_NODE = "k8s.io/cluster-autoscaler/fake-node-reason"
_TEMPLATE_PREFIX = "template-node-for-"
_NO_GROUP = pb.NodeGroupForNodeResponse(nodeGroup=pb.NodeGroup()).SerializeToString()
_MADE_UP = registering.Claim(fits=True, news=False)
"""Of what is no Node of the cluster nothing is noted, and its providerID is enough."""
_STATES = {
    view.Showing.RUNNING: pb.InstanceStatus.InstanceState.instanceRunning,
    view.Showing.CREATING: pb.InstanceStatus.InstanceState.instanceCreating,
    view.Showing.DELETING: pb.InstanceStatus.InstanceState.instanceDeleting,
}

_LOG = logs.Log("service")

Reply = calls.Reply


class CloudProvider:
    """Serve the autoscaler's contract over a reconciler.

    Every method takes a request message and returns a reply, as a message or already serialized;
    what it raises is turned into a status by :mod:`externalgrpc.rpc.calls`. ``refuses`` says why
    this server takes no wishes now (another acts); empty when it takes them.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        describer: describe.Describer,
        *,
        refuses: Callable[[], str] = lambda: "",
    ) -> None:
        self._refuses = refuses
        self._reconciler = reconciler
        self._describer = describer
        self._replies = replies.Replies()
        self._generation = autoscaler_release.Generation.UNKNOWN
        self._cautioned: set[options.Caution] = set()

    def NodeGroups(self, _request: pb.NodeGroupsRequest) -> Reply:  # noqa: N802 - the RPC's name
        """List the groups that are served; never fails."""
        state = self._reconciler.fleet
        return self._replies.once(
            state,
            "groups",
            lambda: pb.NodeGroupsResponse(
                nodeGroups=[self._describer.node_group(state, each) for each in view.served(state)]
            ),
        )

    def NodeGroupForNode(self, request: pb.NodeGroupForNodeRequest) -> Reply:  # noqa: N802
        """Name the group of a node; an empty id for one that is not ours, being deleted or gone.

        A Node that bears another name than the mark of the machine which it claims to be is none
        of ours. An error would stop all of CA.
        """
        state = self._reconciler.fleet
        said = _claim(state, request.node)
        if said.news:
            self._reconciler.registered({request.node.providerID: request.node.name})
            state = self._reconciler.fleet
            said = _claim(state, request.node)
        return self._group_for(state, request.node.providerID, said)

    def _group_for_known(self, request: pb.NodeGroupForNodeRequest) -> bytes | None:
        """Answer without waiting for the lock under which a Node is noted; None for news."""
        state = self._reconciler.fleet
        said = _claim(state, request.node)
        return None if said.news else self._group_for(state, request.node.providerID, said)

    def _group_for(self, state: fleet.Fleet, provider_id: str, said: registering.Claim) -> bytes:
        owner = view.whose(state, provider_id)
        if owner is None or not said.fits:
            return _NO_GROUP
        return self._replies.once(
            state, ("for-node", owner[0]), lambda: self._group_of_node(state, owner[0])
        )

    def _group_of_node(self, state: fleet.Fleet, name: str) -> pb.NodeGroupForNodeResponse:
        group = state.groups[name]
        served = any(each is group for each in view.served(state))
        message = self._describer.node_group(state, group) if served else pb.NodeGroup()
        return pb.NodeGroupForNodeResponse(nodeGroup=message)

    def PricingNodePrice(self, request: pb.PricingNodePriceRequest) -> Reply:  # noqa: N802
        """Price a node for a period, in the configured currency."""
        state = self._reconciler.fleet
        owner = view.whose(state, request.node.providerID)
        name = owner[0] if owner else pricing.group_of_template(request.node.name, state.groups)
        price = pricing.node_price(
            self._describer.prices(state),
            request.node,
            group=state.groups.get(name),
            hours=pricing.window_hours(request),
        )
        return pb.PricingNodePriceResponse(price=price)

    def PricingPodPrice(self, request: pb.PricingPodPriceRequest) -> Reply:  # noqa: N802
        """Price what a pod requests for a period; always above zero."""
        price = pricing.pod_price(
            self._describer.prices(self._reconciler.fleet),
            pricing.pod_of(request),
            hours=pricing.window_hours(request),
        )
        return pb.PricingPodPriceResponse(price=price)

    def GPULabel(self, _request: pb.GPULabelRequest) -> Reply:  # noqa: N802
        """Name the label of GPU nodes. Asked once per CA process: this is how a fresh one shows."""
        self._generation = autoscaler_release.Generation.UNKNOWN
        self._reconciler.autoscaler_started()
        return pb.GPULabelResponse(label=self._describer.gpu_label)

    def GetAvailableGPUTypes(self, _request: pb.GetAvailableGPUTypesRequest) -> Reply:  # noqa: N802
        """Name the GPU types that the configured groups can have."""
        reply = pb.GetAvailableGPUTypesResponse()
        for name in self._describer.gpu_types(self._reconciler.fleet):
            reply.gpuTypes[name].SetInParent()
        return reply

    def Cleanup(self, _request: pb.CleanupRequest) -> Reply:  # noqa: N802
        """Do nothing: CA calls this when it stops, and machines must outlive it."""
        return pb.CleanupResponse()

    def Refresh(self, _request: pb.RefreshRequest) -> Reply:  # noqa: N802
        """Wake the ticker; listings keep their pace, and a cloud that is down is no error.

        A server that stands by refuses: CA must not go through a loop on what it sees here.
        """
        self._take_wishes()
        self._reconciler.nudge()
        return pb.RefreshResponse()

    def NodeGroupTargetSize(self, request: pb.NodeGroupTargetSizeRequest) -> bytes:  # noqa: N802
        """Count the members of a group."""
        state = self._reconciler.fleet
        name = wishes.known(state, request.id).name
        return self._replies.once(
            state,
            ("target", name),
            lambda: pb.NodeGroupTargetSizeResponse(targetSize=view.target(state, name)),
        )

    def NodeGroupIncreaseSize(  # noqa: N802
        self, request: pb.NodeGroupIncreaseSizeRequest
    ) -> Reply:
        """Order machines; answers before a cloud is asked."""
        self._take_wishes()
        cover = self._describer.cover_forgotten and self._generation.may_forget
        self._reconciler.grow(request.id, request.delta, cover=cover)
        return pb.NodeGroupIncreaseSizeResponse()

    def NodeGroupDeleteNodes(  # noqa: N802
        self, request: pb.NodeGroupDeleteNodesRequest
    ) -> Reply:
        """Let machines go, all of the batch or none of it; what is gone already is success."""
        self._take_wishes()
        nodes = [
            fleet.NodeRef(
                provider_id=node.providerID,
                name=node.name,
                # CA names what it makes up by its providerID, with or without saying so.
                fake=FAKE_NODE in node.annotations or node.name == node.providerID,
            )
            for node in request.nodes
        ]
        self._reconciler.retire(request.id, nodes)
        return pb.NodeGroupDeleteNodesResponse()

    def NodeGroupDecreaseTargetSize(  # noqa: N802
        self, request: pb.NodeGroupDecreaseTargetSizeRequest
    ) -> Reply:
        """Withdraw launches that were not sent; the rest is a warning, not an error."""
        self._take_wishes()
        self._reconciler.shrink(request.id, request.delta)
        return pb.NodeGroupDecreaseTargetSizeResponse()

    def NodeGroupNodes(self, request: pb.NodeGroupNodesRequest) -> Reply:  # noqa: N802
        """List a group's machines: members, failed launches, and those being deleted."""
        state = self._reconciler.fleet
        name = wishes.known(state, request.id).name
        return self._replies.once(state, ("nodes", name), lambda: _nodes(state, name))

    def NodeGroupTemplateNodeInfo(  # noqa: N802
        self, request: pb.NodeGroupTemplateNodeInfoRequest
    ) -> Reply:
        """Describe a fresh node of the group, in both generations of the field."""
        state = self._reconciler.fleet
        group = wishes.known(state, request.id)
        return self._replies.once(
            state, ("template", group.name), lambda: self._template(state, group)
        )

    def _take_wishes(self) -> None:
        if why := self._refuses():
            raise fleet_errors.StandsBy(f"this server stands by: {why}; call the one that leads")

    def _template(
        self, state: fleet.Fleet, group: groups.NodeGroup
    ) -> pb.NodeGroupTemplateNodeInfoResponse:
        node = self._describer.template_node(state, group)
        return pb.NodeGroupTemplateNodeInfoResponse(legacyNodeInfo=node, nodeBytes=node)

    def NodeGroupGetOptions(  # noqa: N802
        self, request: pb.NodeGroupAutoscalingOptionsRequest
    ) -> Reply:
        """Return the operator's overrides laid over CA's defaults; nothing where there are none."""
        group = wishes.known(self._reconciler.fleet, request.id)
        generation = autoscaler_release.generation_of(request)
        if generation is not autoscaler_release.Generation.UNKNOWN:
            self._generation = generation
        answer = options.reply(request, group.overrides)
        if self._is_new(answer.caution):
            self._cautioned.add(answer.caution)
            _LOG.warning("overridden options", group=request.id, caution=answer.caution.value)
        return answer.data

    def _options_unless_cautioned(
        self, request: pb.NodeGroupAutoscalingOptionsRequest
    ) -> bytes | None:
        """Answer without writing to the log; None where there is something to write."""
        group = wishes.known(self._reconciler.fleet, request.id)
        generation = autoscaler_release.generation_of(request)
        if generation is not autoscaler_release.Generation.UNKNOWN:
            self._generation = generation
        answer = options.reply(request, group.overrides)
        return None if self._is_new(answer.caution) else answer.data

    def _is_new(self, caution: options.Caution) -> bool:
        return caution is not options.Caution.NONE and caution not in self._cautioned

    def quick(self) -> Mapping[str, Callable[[Any], bytes | None]]:
        """Return what never blocks, of the RPCs that a loop of CA calls for every node."""
        return {
            "NodeGroupForNode": self._group_for_known,
            "NodeGroupTargetSize": self.NodeGroupTargetSize,
            "NodeGroupGetOptions": self._options_unless_cautioned,
        }


def register(server: grpc.Server, made: calls.Calls, service: CloudProvider) -> None:
    """Add the 15 RPCs to a server."""
    quick = service.quick()
    handlers = {
        rpc.name: made.unary(
            rpc.name,
            getattr(pb, rpc.input_type.name),
            getattr(service, rpc.name),
            quick=quick.get(rpc.name),
        )
        for rpc in pb.DESCRIPTOR.services_by_name["CloudProvider"].methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _claim(state: fleet.Fleet, node: pb.ExternalGrpcNode) -> registering.Claim:
    if not _is_real(node):
        return _MADE_UP
    return registering.claim(state, node.providerID, node.name)


def _is_real(node: pb.ExternalGrpcNode) -> bool:
    """Return whether this is a Node of the cluster: CA makes up others, and templates of them."""
    made_up = FAKE_NODE in node.annotations or node.name == node.providerID
    return bool(node.name) and not made_up and not node.name.startswith(_TEMPLATE_PREFIX)


def _nodes(state: fleet.Fleet, group: str) -> pb.NodeGroupNodesResponse:
    members = view.members(state, group)
    instances = [_instance(member) for member in members]
    shown = {member.provider_id for member in members}
    instances += [
        pb.Instance(
            id=machine.provider_id,
            status=pb.InstanceStatus(instanceState=_STATES[view.Showing.DELETING]),
        )
        for machine in view.leaving(state, group)
        if machine.provider_id not in shown
    ]
    return pb.NodeGroupNodesResponse(instances=instances)


def _instance(member: view.Member) -> pb.Instance:
    shown = pb.InstanceStatus(instanceState=_STATES[member.showing])
    if member.failure is not None:
        shown.errorInfo.errorCode = member.failure.code
        shown.errorInfo.errorMessage = plaintext.line(member.failure.message)
        shown.errorInfo.instanceErrorClass = int(member.failure.error_class)
    return pb.Instance(id=member.provider_id, status=shown)
