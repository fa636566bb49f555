from __future__ import annotations

import gzip

from providers import packing

CONFIG = "#cloud-config\n" + "# é\n" * 100


def test_only_what_must_be_is_packed() -> None:
    size = len(CONFIG.encode())
    assert packing.within(CONFIG, size) == CONFIG.encode()
    assert gzip.decompress(packing.within(CONFIG, size - 1)).decode() == CONFIG
    other = CONFIG.replace("#cloud-config", "#!/bin/sh")
    assert packing.within(other, 10) == other.encode(), "not only cloud-init reads those"


def test_the_same_text_gives_the_same_bytes() -> None:
    assert packing.gzipped(CONFIG) == packing.gzipped(CONFIG)
    assert packing.gzipped(CONFIG)[4:8] == bytes(4), "no time of today"


def test_what_packing_makes_larger_stays() -> None:
    assert packing.within("#cloud-config", 5) == b"#cloud-config"
