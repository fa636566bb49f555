from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartTrialRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class GetTrialRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndTrialRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClearTrialRequest(_message.Message):
    __slots__ = ("provider_id",)
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    provider_id: str
    def __init__(self, provider_id: _Optional[str] = ...) -> None: ...

class ClearTrialResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Trial(_message.Message):
    __slots__ = ("group", "trial", "account", "node_name", "provider_id", "machine_type", "location", "phase", "steps", "waits", "code", "reason", "watched", "compared", "differences", "left", "proofs")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    MACHINE_TYPE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WATCHED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    group: str
    trial: str
    account: str
    node_name: str
    provider_id: str
    machine_type: str
    location: str
    phase: str
    steps: _containers.RepeatedCompositeFieldContainer[TrialStep]
    waits: str
    code: str
    reason: str
    watched: bool
    compared: bool
    differences: _containers.RepeatedCompositeFieldContainer[TrialDifference]
    left: _containers.RepeatedScalarFieldContainer[str]
    proofs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., trial: _Optional[str] = ..., account: _Optional[str] = ..., node_name: _Optional[str] = ..., provider_id: _Optional[str] = ..., machine_type: _Optional[str] = ..., location: _Optional[str] = ..., phase: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[TrialStep, _Mapping]]] = ..., waits: _Optional[str] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ..., watched: _Optional[bool] = ..., compared: _Optional[bool] = ..., differences: _Optional[_Iterable[_Union[TrialDifference, _Mapping]]] = ..., left: _Optional[_Iterable[str]] = ..., proofs: _Optional[_Iterable[str]] = ...) -> None: ...

class TrialStep(_message.Message):
    __slots__ = ("name", "at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    at: float
    def __init__(self, name: _Optional[str] = ..., at: _Optional[float] = ...) -> None: ...

class TrialDifference(_message.Message):
    __slots__ = ("what", "promised", "found", "wrong")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    what: str
    promised: str
    found: str
    wrong: bool
    def __init__(self, what: _Optional[str] = ..., promised: _Optional[str] = ..., found: _Optional[str] = ..., wrong: _Optional[bool] = ...) -> None: ...

class ShowRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShowResponse(_message.Message):
    __slots__ = ("cluster", "version", "uptime_seconds", "dry_run", "groups", "machines", "accounts", "identity", "orders_held", "outage", "paused", "spending")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ORDERS_HELD_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    SPENDING_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    version: str
    uptime_seconds: float
    dry_run: bool
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    machines: _containers.RepeatedCompositeFieldContainer[Machine]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    identity: str
    orders_held: str
    outage: str
    paused: str
    spending: _containers.RepeatedCompositeFieldContainer[Spend]
    def __init__(self, cluster: _Optional[str] = ..., version: _Optional[str] = ..., uptime_seconds: _Optional[float] = ..., dry_run: _Optional[bool] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., machines: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ..., accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., identity: _Optional[str] = ..., orders_held: _Optional[str] = ..., outage: _Optional[str] = ..., paused: _Optional[str] = ..., spending: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ...) -> None: ...

class Spend(_message.Message):
    __slots__ = ("scope", "name", "per_hour", "cap_per_hour", "currency", "what", "unknown")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    CAP_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    scope: str
    name: str
    per_hour: str
    cap_per_hour: str
    currency: str
    what: str
    unknown: str
    def __init__(self, scope: _Optional[str] = ..., name: _Optional[str] = ..., per_hour: _Optional[str] = ..., cap_per_hour: _Optional[str] = ..., currency: _Optional[str] = ..., what: _Optional[str] = ..., unknown: _Optional[str] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("id", "account", "min", "max", "target", "candidates", "trouble", "departed", "price_per_hour", "currency", "allocatable", "headroom", "not_now_code", "not_now_reason", "vps_node", "why", "trial_of", "untaintable", "billing")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    DEPARTED_FIELD_NUMBER: _ClassVar[int]
    PRICE_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATABLE_FIELD_NUMBER: _ClassVar[int]
    HEADROOM_FIELD_NUMBER: _ClassVar[int]
    NOT_NOW_CODE_FIELD_NUMBER: _ClassVar[int]
    NOT_NOW_REASON_FIELD_NUMBER: _ClassVar[int]
    VPS_NODE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    TRIAL_OF_FIELD_NUMBER: _ClassVar[int]
    UNTAINTABLE_FIELD_NUMBER: _ClassVar[int]
    BILLING_FIELD_NUMBER: _ClassVar[int]
    id: str
    account: str
    min: int
    max: int
    target: int
    candidates: _containers.RepeatedScalarFieldContainer[str]
    trouble: str
    departed: bool
    price_per_hour: str
    currency: str
    allocatable: Allocatable
    headroom: Headroom
    not_now_code: str
    not_now_reason: str
    vps_node: bool
    why: Answer
    trial_of: str
    untaintable: str
    billing: str
    def __init__(self, id: _Optional[str] = ..., account: _Optional[str] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., target: _Optional[int] = ..., candidates: _Optional[_Iterable[str]] = ..., trouble: _Optional[str] = ..., departed: _Optional[bool] = ..., price_per_hour: _Optional[str] = ..., currency: _Optional[str] = ..., allocatable: _Optional[_Union[Allocatable, _Mapping]] = ..., headroom: _Optional[_Union[Headroom, _Mapping]] = ..., not_now_code: _Optional[str] = ..., not_now_reason: _Optional[str] = ..., vps_node: _Optional[bool] = ..., why: _Optional[_Union[Answer, _Mapping]] = ..., trial_of: _Optional[str] = ..., untaintable: _Optional[str] = ..., billing: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("code", "sentence", "cure")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    CURE_FIELD_NUMBER: _ClassVar[int]
    code: str
    sentence: str
    cure: str
    def __init__(self, code: _Optional[str] = ..., sentence: _Optional[str] = ..., cure: _Optional[str] = ...) -> None: ...

class Headroom(_message.Message):
    __slots__ = ("reason", "message", "status", "balloons", "balloon_cpu_millis", "used_cpu_millis", "requested_cpu_millis", "target_percent", "by")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BALLOONS_FIELD_NUMBER: _ClassVar[int]
    BALLOON_CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    USED_CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    TARGET_PERCENT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    status: str
    balloons: int
    balloon_cpu_millis: int
    used_cpu_millis: int
    requested_cpu_millis: int
    target_percent: int
    by: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., status: _Optional[str] = ..., balloons: _Optional[int] = ..., balloon_cpu_millis: _Optional[int] = ..., used_cpu_millis: _Optional[int] = ..., requested_cpu_millis: _Optional[int] = ..., target_percent: _Optional[int] = ..., by: _Optional[str] = ...) -> None: ...

class Allocatable(_message.Message):
    __slots__ = ("cpu_millis", "memory_bytes", "disk_bytes", "pods", "measured")
    CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    cpu_millis: int
    memory_bytes: int
    disk_bytes: int
    pods: int
    measured: bool
    def __init__(self, cpu_millis: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., pods: _Optional[int] = ..., measured: _Optional[bool] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ("name", "group", "account", "provider_id", "machine_type", "location", "phase", "age_seconds", "addresses", "error_code", "error_message", "registered", "step", "step_seconds_ago", "identity", "unjoined", "doubt", "doubt_message", "doubt_seconds_ago", "excused", "withheld_code", "withheld_message", "withheld_because", "strange", "rival", "unmarked")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    MACHINE_TYPE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_AGO_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    UNJOINED_FIELD_NUMBER: _ClassVar[int]
    DOUBT_FIELD_NUMBER: _ClassVar[int]
    DOUBT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DOUBT_SECONDS_AGO_FIELD_NUMBER: _ClassVar[int]
    EXCUSED_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_CODE_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    STRANGE_FIELD_NUMBER: _ClassVar[int]
    RIVAL_FIELD_NUMBER: _ClassVar[int]
    UNMARKED_FIELD_NUMBER: _ClassVar[int]
    name: str
    group: str
    account: str
    provider_id: str
    machine_type: str
    location: str
    phase: str
    age_seconds: float
    addresses: _containers.RepeatedScalarFieldContainer[str]
    error_code: str
    error_message: str
    registered: bool
    step: str
    step_seconds_ago: float
    identity: str
    unjoined: bool
    doubt: str
    doubt_message: str
    doubt_seconds_ago: float
    excused: bool
    withheld_code: str
    withheld_message: str
    withheld_because: str
    strange: bool
    rival: str
    unmarked: bool
    def __init__(self, name: _Optional[str] = ..., group: _Optional[str] = ..., account: _Optional[str] = ..., provider_id: _Optional[str] = ..., machine_type: _Optional[str] = ..., location: _Optional[str] = ..., phase: _Optional[str] = ..., age_seconds: _Optional[float] = ..., addresses: _Optional[_Iterable[str]] = ..., error_code: _Optional[str] = ..., error_message: _Optional[str] = ..., registered: _Optional[bool] = ..., step: _Optional[str] = ..., step_seconds_ago: _Optional[float] = ..., identity: _Optional[str] = ..., unjoined: _Optional[bool] = ..., doubt: _Optional[str] = ..., doubt_message: _Optional[str] = ..., doubt_seconds_ago: _Optional[float] = ..., excused: _Optional[bool] = ..., withheld_code: _Optional[str] = ..., withheld_message: _Optional[str] = ..., withheld_because: _Optional[str] = ..., strange: _Optional[bool] = ..., rival: _Optional[str] = ..., unmarked: _Optional[bool] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("name", "provider", "listed_seconds_ago", "trouble", "machines", "budget_remaining", "budget_limit", "not_now_code", "not_now_reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    LISTED_SECONDS_AGO_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_REMAINING_FIELD_NUMBER: _ClassVar[int]
    BUDGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NOT_NOW_CODE_FIELD_NUMBER: _ClassVar[int]
    NOT_NOW_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: str
    listed_seconds_ago: float
    trouble: str
    machines: int
    budget_remaining: int
    budget_limit: int
    not_now_code: str
    not_now_reason: str
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[str] = ..., listed_seconds_ago: _Optional[float] = ..., trouble: _Optional[str] = ..., machines: _Optional[int] = ..., budget_remaining: _Optional[int] = ..., budget_limit: _Optional[int] = ..., not_now_code: _Optional[str] = ..., not_now_reason: _Optional[str] = ...) -> None: ...
