"""Run a real Prometheus that scrapes servers every second, and ask it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.chart import prometheus
from tests.e2e import programs, waiting

INTERVAL_S = 1
RATE_INTERVAL = f"{5 * INTERVAL_S}s"
"""What Grafana would take for ``$__rate_interval``, and one scrape more for a busy machine."""


class Prometheus:
    """A running one; `began_at` is when it started, in Unix seconds."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.began_at = 0.0

    def ask(self, path: str, **query: object) -> Any:
        """Ask its API; give the data of the answer. What it refuses fails the test in its words."""
        said = urllib.parse.urlencode({key: str(each) for key, each in query.items()})
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{said}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {json.load(error)['error']}") from None

    def ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def now(self) -> float:
        """Give its clock."""
        return float(self.ask("query", query="time()")["result"][0])

    def over_the_run(self, query: str) -> list[dict[str, Any]]:
        """Ask for a query from the beginning on; give the lines that hold a number."""
        found = self.ask(
            "query_range", query=query, start=self.began_at, end=self.now(), step=INTERVAL_S
        )["result"]
        return [
            each
            for each in found
            if any(not math.isnan(float(value)) for _, value in each["values"])
        ]


@contextlib.contextmanager
def running(folder: Path, targets: Sequence[str], rules: Path) -> Iterator[Prometheus]:
    """Run one with its files in a folder, and end it."""
    program = prometheus.find("prometheus")
    assert program is not None
    config = {
        "global": {"scrape_interval": f"{INTERVAL_S}s", "evaluation_interval": f"{INTERVAL_S}s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "vps-autoscaler", "static_configs": [{"targets": list(targets)}]}
        ],
    }
    path = folder / "prometheus.json"
    path.write_text(json.dumps(config))
    port = programs.free_port()
    log = (folder / "prometheus.log").open("w")
    with log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            # Nothing of it leaves this machine, whatever proxy a person has.
            env={key: each for key, each in os.environ.items() if "proxy" not in key.lower()},
        )
        made = Prometheus(port)

        def alive() -> None:
            assert process.poll() is None, (folder / "prometheus.log").read_text()

        try:
            waiting.until(made.ready, "Prometheus is ready", within_s=60, meanwhile=alive)
            made.began_at = made.now()
            yield made
        finally:
            process.terminate()
            process.wait(30)
