"""Run the real cluster-autoscaler, unmodified, against the server."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import httpx
import yaml

from tests.e2e import programs
from tests.e2e.server import Server

SCAN_S = 2
_FAST = (
    f"--scan-interval={SCAN_S}s",
    "--scale-down-delay-after-add=3s",
    "--scale-down-delay-after-delete=1s",
    "--scale-down-unneeded-time=3s",
    "--unremovable-node-recheck-timeout=5s",
    "--node-delete-delay-after-taint=1s",
    "--initial-node-group-backoff-duration=10s",
    "--max-node-group-backoff-duration=10s",
)
_LOOP = re.compile(r"Starting main loop")
_PLAN = re.compile(r"Final scale-up plan: \[(.*)\]")
_THROUGH = re.compile(r"Calculating unneeded nodes|Final scale-up plan")
"""What every loop that is not given up comes to: looking for what to delete, or a growth."""

_ERRORS = re.compile(r"^cluster_autoscaler_errors_total\S* ([0-9.]+)$", re.MULTILINE)
_PLANNED = re.compile(r"\{(\S+) \d+->\d+")


class Autoscaler:
    """One autoscaler; killed and started again it is a new process that remembers nothing."""

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *,
        kubeconfig: Path,
        server: Server,
        expander: str,
        flags: tuple[str, ...] = (),
    ) -> None:
        self._address = f"127.0.0.1:{programs.free_port()}"
        config = folder / "cloud-config.yaml"
        config.write_text(yaml.safe_dump(_cloud_config(server)))
        self.program = programs.Program(
            "cluster-autoscaler",
            [
                str(binary),
                "--cloud-provider=externalgrpc",
                f"--cloud-config={config}",
                f"--kubeconfig={kubeconfig}",
                f"--address={self._address}",
                "--leader-elect=false",
                f"--expander={expander}",
                "-v=4",
                *_FAST,
                *flags,
            ],
            folder,
            {"POD_NAMESPACE": "kube-system", "TZ": "UTC"},
        )

    def start(self) -> None:
        """Start and wait until its first loop begins."""
        self.program.start()
        self.program.says(_LOOP.pattern)

    def loops(self) -> int:
        """Count the loops that this process has begun."""
        return len(_LOOP.findall(self.program.output()))

    def given_up(self) -> list[str]:
        """Return the ends of the loops that this process gave up, and count the errors that it had.

        The last one may be under way.
        """
        result = _LOOP.split(self.program.output())[1:-1]
        wrong = ["\n".join(each.splitlines()[-3:]) for each in result if not _THROUGH.search(each)]
        metrics = httpx.get(f"http://{self._address}/metrics", timeout=10.0).text
        errors = sum(float(each) for each in _ERRORS.findall(metrics))
        return [*wrong, f"{errors:.0f} errors"] if errors else wrong

    def loops_until_growth(self, group: str, since: float) -> int:
        """Count the loops that began after an instant (Unix seconds), up to a group's growth."""
        loops = 0
        for line in self.program.output().splitlines():
            if _LOOP.search(line) and _written_at(line) > since:
                loops += 1
            elif (plan := _PLAN.search(line)) and group in _PLANNED.findall(plan[1]):
                return loops
        raise AssertionError(f"{group} never grew")


def _written_at(line: str) -> float:
    """Read when a line was logged, in Unix seconds; the logs have no year."""
    now = datetime.datetime.now(datetime.UTC)
    stamp = f"{now.year} {line[1:21]} +0000"
    return datetime.datetime.strptime(stamp, "%Y %m%d %H:%M:%S.%f %z").timestamp()


def _cloud_config(server: Server) -> dict[str, str]:
    fields = {"address": server.address}
    if server.tls is not None:
        fields["key"] = str(server.tls.client.key)
        fields["cert"] = str(server.tls.client.certificate)
        fields["cacert"] = str(server.tls.authority)
    return fields
