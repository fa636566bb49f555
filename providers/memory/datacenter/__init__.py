"""Be a whole cloud in RAM: machines, stock, quota, a rate limit, and everything that goes wrong.

A :class:`Datacenter` is what stands behind an API: it belongs to nobody's cluster, holds
everybody's machines and has no threads of its own. What a machine is doing follows from the
clock, chance follows from a seed, and both clock and sleep are handed in, so that a server can be
replayed over it in one thread, in simulated time. :class:`providers.memory.MemoryCloud` is one
login into it.
"""

from providers.memory.datacenter.center import Call, Datacenter
from providers.memory.datacenter.options import Options, Plan
from providers.memory.datacenter.racks import Server
from providers.memory.datacenter.troubles import Lost, Request

__all__ = ["Call", "Datacenter", "Lost", "Options", "Plan", "Request", "Server"]
