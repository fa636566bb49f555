"""Wait until the jobs of a test are done."""

from __future__ import annotations

import threading

from externalgrpc.kube import cluster, work_queue
from externalgrpc.support import clock


def wait(of: cluster.Cluster | work_queue.WorkQueue, within_s: float) -> bool:
    """Wait until nothing is waiting or under way; return whether that came to be.

    One thread does all jobs in the order in which they are due: when one of ours was done,
    whatever was due before it is done too.
    """
    queue = of._work_queue if isinstance(of, cluster.Cluster) else of
    now = clock.SystemClock().monotonic
    until = now() + within_s
    while (left_s := until - now()) > 0:
        passed = threading.Event()
        queue.run("idle", passed.set, within_s=left_s)
        passed.wait(left_s)
        with queue._changed:
            waiting = [each.due_at for each in queue._waiting.values()]
            if passed.is_set() and not waiting:
                return True
            # Wakes up early when another job comes.
            queue._changed.wait(max(0.0, min([*waiting, until]) - now()))
    return False
