"""Hold the merged proto to the upstream contract, number by number."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor

from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.pb import k8s_core_v1_pb2 as core

ANY = "google.protobuf.Any"
TIME = "google.protobuf.Timestamp"
SPAN = "google.protobuf.Duration"

# What the releases 1.28 to 1.37 agree on, and both generations of what changed. Names that begin
# with "legacy" are ours: names do not travel, numbers and types do.
MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "NodeGroup": {
        "id": (1, "string"),
        "minSize": (2, "int32"),
        "maxSize": (3, "int32"),
        "debug": (4, "string"),
    },
    "ExternalGrpcNode": {
        "providerID": (1, "string"),
        "name": (2, "string"),
        "labels": (3, "map<string,string>"),
        "annotations": (4, "map<string,string>"),
    },
    "NodeGroupsRequest": {},
    "NodeGroupsResponse": {"nodeGroups": (1, "repeated NodeGroup")},
    "NodeGroupForNodeRequest": {"node": (1, "ExternalGrpcNode")},
    "NodeGroupForNodeResponse": {"nodeGroup": (1, "NodeGroup")},
    "PricingNodePriceRequest": {
        "node": (1, "ExternalGrpcNode"),
        "legacyStartTime": (2, TIME),
        "legacyEndTime": (3, TIME),
        "startTimestamp": (4, TIME),
        "endTimestamp": (5, TIME),
    },
    "PricingNodePriceResponse": {"price": (1, "double")},
    "PricingPodPriceRequest": {
        "legacyPod": (1, "bytes"),
        "legacyStartTime": (2, TIME),
        "legacyEndTime": (3, TIME),
        "pod_bytes": (4, "bytes"),
        "startTimestamp": (5, TIME),
        "endTimestamp": (6, TIME),
    },
    "PricingPodPriceResponse": {"price": (1, "double")},
    "GPULabelRequest": {},
    "GPULabelResponse": {"label": (1, "string")},
    "GetAvailableGPUTypesRequest": {},
    "GetAvailableGPUTypesResponse": {"gpuTypes": (1, f"map<string,{ANY}>")},
    "CleanupRequest": {},
    "CleanupResponse": {},
    "RefreshRequest": {},
    "RefreshResponse": {},
    "NodeGroupTargetSizeRequest": {"id": (1, "string")},
    "NodeGroupTargetSizeResponse": {"targetSize": (1, "int32")},
    "NodeGroupIncreaseSizeRequest": {"delta": (1, "int32"), "id": (2, "string")},
    "NodeGroupIncreaseSizeResponse": {},
    "NodeGroupDeleteNodesRequest": {
        "nodes": (1, "repeated ExternalGrpcNode"),
        "id": (2, "string"),
    },
    "NodeGroupDeleteNodesResponse": {},
    "NodeGroupDecreaseTargetSizeRequest": {"delta": (1, "int32"), "id": (2, "string")},
    "NodeGroupDecreaseTargetSizeResponse": {},
    "NodeGroupNodesRequest": {"id": (1, "string")},
    "NodeGroupNodesResponse": {"instances": (1, "repeated Instance")},
    "Instance": {"id": (1, "string"), "status": (2, "InstanceStatus")},
    "InstanceStatus": {
        "instanceState": (1, "InstanceStatus.InstanceState"),
        "errorInfo": (2, "InstanceErrorInfo"),
    },
    "InstanceErrorInfo": {
        "errorCode": (1, "string"),
        "errorMessage": (2, "string"),
        "instanceErrorClass": (3, "int32"),
    },
    "NodeGroupTemplateNodeInfoRequest": {"id": (1, "string")},
    "NodeGroupTemplateNodeInfoResponse": {
        "legacyNodeInfo": (1, "bytes"),
        "nodeBytes": (2, "bytes"),
    },
    "LegacyDuration": {"duration": (1, "int64")},
    "NodeGroupAutoscalingOptions": {
        "scaleDownUtilizationThreshold": (1, "double"),
        "scaleDownGpuUtilizationThreshold": (2, "double"),
        "legacyScaleDownUnneededTime": (3, "LegacyDuration"),
        "legacyScaleDownUnreadyTime": (4, "LegacyDuration"),
        "legacyMaxNodeProvisionTime": (5, "LegacyDuration"),
        "zeroOrMaxNodeScaling": (6, "bool"),
        "ignoreDaemonSetsUtilization": (7, "bool"),
        "scaleDownUnneededDuration": (8, SPAN),
        "scaleDownUnreadyDuration": (9, SPAN),
        "MaxNodeProvisionDuration": (10, SPAN),
    },
    "NodeGroupAutoscalingOptionsRequest": {
        "id": (1, "string"),
        "defaults": (2, "NodeGroupAutoscalingOptions"),
    },
    "NodeGroupAutoscalingOptionsResponse": {
        "nodeGroupAutoscalingOptions": (1, "NodeGroupAutoscalingOptions")
    },
}

# k8s.io/api and apimachinery, as their generated.proto number them.
CORE: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Time": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "ObjectMeta": {
        "name": (1, "string"),
        "namespace": (3, "string"),
        "labels": (11, "map<string,string>"),
        "annotations": (12, "map<string,string>"),
    },
    "Quantity": {"string": (1, "string")},
    "Taint": {"key": (1, "string"), "value": (2, "string"), "effect": (3, "string")},
    "NodeSpec": {
        "providerID": (3, "string"),
        "unschedulable": (4, "bool"),
        "taints": (5, "repeated Taint"),
    },
    "NodeCondition": {
        "type": (1, "string"),
        "status": (2, "string"),
        "lastHeartbeatTime": (3, "Time"),
        "lastTransitionTime": (4, "Time"),
        "reason": (5, "string"),
        "message": (6, "string"),
    },
    "NodeStatus": {
        "capacity": (1, "map<string,Quantity>"),
        "allocatable": (2, "map<string,Quantity>"),
        "conditions": (4, "repeated NodeCondition"),
    },
    "Node": {"metadata": (1, "ObjectMeta"), "spec": (2, "NodeSpec"), "status": (3, "NodeStatus")},
    "ResourceRequirements": {
        "limits": (1, "map<string,Quantity>"),
        "requests": (2, "map<string,Quantity>"),
    },
    "Container": {
        "name": (1, "string"),
        "resources": (8, "ResourceRequirements"),
        "restartPolicy": (24, "string"),
    },
    "PodSpec": {
        "containers": (2, "repeated Container"),
        "initContainers": (20, "repeated Container"),
        "overhead": (32, "map<string,Quantity>"),
    },
    "Pod": {"metadata": (1, "ObjectMeta"), "spec": (2, "PodSpec")},
}

RPCS = {
    "NodeGroups": ("NodeGroupsRequest", "NodeGroupsResponse"),
    "NodeGroupForNode": ("NodeGroupForNodeRequest", "NodeGroupForNodeResponse"),
    "PricingNodePrice": ("PricingNodePriceRequest", "PricingNodePriceResponse"),
    "PricingPodPrice": ("PricingPodPriceRequest", "PricingPodPriceResponse"),
    "GPULabel": ("GPULabelRequest", "GPULabelResponse"),
    "GetAvailableGPUTypes": ("GetAvailableGPUTypesRequest", "GetAvailableGPUTypesResponse"),
    "Cleanup": ("CleanupRequest", "CleanupResponse"),
    "Refresh": ("RefreshRequest", "RefreshResponse"),
    "NodeGroupTargetSize": ("NodeGroupTargetSizeRequest", "NodeGroupTargetSizeResponse"),
    "NodeGroupIncreaseSize": ("NodeGroupIncreaseSizeRequest", "NodeGroupIncreaseSizeResponse"),
    "NodeGroupDeleteNodes": ("NodeGroupDeleteNodesRequest", "NodeGroupDeleteNodesResponse"),
    "NodeGroupDecreaseTargetSize": (
        "NodeGroupDecreaseTargetSizeRequest",
        "NodeGroupDecreaseTargetSizeResponse",
    ),
    "NodeGroupNodes": ("NodeGroupNodesRequest", "NodeGroupNodesResponse"),
    "NodeGroupTemplateNodeInfo": (
        "NodeGroupTemplateNodeInfoRequest",
        "NodeGroupTemplateNodeInfoResponse",
    ),
    "NodeGroupGetOptions": (
        "NodeGroupAutoscalingOptionsRequest",
        "NodeGroupAutoscalingOptionsResponse",
    ),
}


def spelled(field: FieldDescriptor) -> str:
    """Spell a field's type as a .proto file would, without the file's own package."""
    kind = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    target = field.message_type or field.enum_type
    if target is None:
        return f"repeated {kind}" if field.is_repeated else kind
    if field.message_type is not None and target.GetOptions().map_entry:
        key, value = target.fields_by_name["key"], target.fields_by_name["value"]
        return f"map<{spelled(key)},{spelled(value)}>"
    name = str(target.full_name).removeprefix(f"{field.file.package}.")
    return f"repeated {name}" if field.is_repeated else name


def table(file: FileDescriptor) -> dict[str, dict[str, tuple[int, str]]]:
    return {
        name: {field.name: (field.number, spelled(field)) for field in message.fields}
        for name, message in file.message_types_by_name.items()
    }


def test_every_message_has_the_numbers_and_types_of_the_contract() -> None:
    assert table(wire.DESCRIPTOR) == MESSAGES


def test_the_slice_of_core_v1_has_the_numbers_of_kubernetes() -> None:
    assert table(core.DESCRIPTOR) == CORE


def test_the_service_has_the_fifteen_calls_under_upstreams_path() -> None:
    service = wire.DESCRIPTOR.services_by_name["CloudProvider"]
    assert service.full_name == "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider"
    assert {
        method.name: (method.input_type.name, method.output_type.name) for method in service.methods
    } == RPCS
    assert not any(m.client_streaming or m.server_streaming for m in service.methods)


def test_instance_states_line_up() -> None:
    assert dict(wire.InstanceStatus.InstanceState.items()) == {
        "unspecified": 0,
        "instanceRunning": 1,
        "instanceCreating": 2,
        "instanceDeleting": 3,
    }
