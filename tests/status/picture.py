"""Draw the pictures of docs/status-page.md: a server at work on the memory cloud."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc

from externalgrpc.standin import loop
from externalgrpc.support import clock
from tests import serving
from tests.status import browser, smallpng

DOCS = Path(__file__).parents[2] / "docs"
WIDTH, PHONE = 1280, 390
LOOP_S = 2.0
POOLS = """
cluster: prod
accounts:
- name: ram
  provider: memory
  options:
    bootTimeS: 6
    createLatencyS: 1
    stock: {medium/south: 0, gpu/north: 1}
nodes:
- {name: web, account: ram, instanceType: small, region: north, minSize: 2, maxSize: 6}
- {name: batch, account: ram, instanceType: medium, regions: [south, east], maxSize: 8}
- {name: gpu, account: ram, instanceType: gpu, region: north, maxSize: 3}
"""


def main() -> None:
    """Let a stand-in autoscaler grow the groups, and look when there is most to see."""
    with served() as (address, page), grpc.insecure_channel(address) as channel:
        time_source = clock.SystemClock()
        driver = loop.StandIn(channel, time_source, lambda _event: None)
        looped_at = 0.0

        def groups() -> dict[str, dict]:
            nonlocal looped_at
            if time_source.monotonic() - looped_at > LOOP_S:
                looped_at = time_source.monotonic()
                driver.loop()
            with urllib.request.urlopen(f"{page}status.json", timeout=5) as answer:
                return {each["name"]: each for each in json.load(answer)["groups"]}

        driver.want("web", 3)
        driver.want("gpu", 2)
        serving.until(lambda: groups()["web"]["nodes"] == 3, 60)
        driver.want("batch", 2)
        serving.until(lambda: groups()["batch"]["phases"].get("creating") == 2, 60)
        with browser.opened() as window:
            window.looks(WIDTH, 900)
            window.open(page)
            serving.until(lambda: "booting" in window.text("#group-list"), 30)
            serving.until(lambda: window.text("#live") == "Live", 30)
            take(window, WIDTH, "light", DOCS / "status-page.png")
            take(window, PHONE, "dark", DOCS / "status-page-phone.png", most=1400)
            for line in window.complaints():
                raise SystemExit(f"the page complains: {line}")


def take(window: browser.Browser, width: int, scheme: str, path: Path, *, most: int = 4000) -> None:
    """Take the page as it is in a window of such a width, no higher than ``most``."""
    window.looks(width, 900, scheme=scheme)
    high = window.run("return document.documentElement.scrollHeight")
    window.looks(width, min(high, most), scheme=scheme)
    window.picture(path, whole=False)
    path.write_bytes(smallpng.shrink(path.read_bytes()))
    sys.stdout.write(f"{path}: {path.stat().st_size // 1024} KiB\n")


@contextlib.contextmanager
def served() -> Iterator[tuple[str, str]]:
    """Start a server as a person does; give its address, and that of its page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pools.yaml")
        path.write_text(POOLS)
        argv = ["--config", str(path), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "externalgrpc", "serve", *argv, "--no-live"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            log = iter(process.stderr.readline, "")
            line = next(line for line in log if "metrics served" in line)
            where = line.partition("address=")[2].split()[0].strip('"')
            address = process.stdout.readline().rpartition(" ")[2].strip()
            yield address, f"http://{where}/"
        finally:
            process.terminate()
            process.communicate(timeout=60)


if __name__ == "__main__":
    main()
