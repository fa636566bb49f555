from __future__ import annotations

import os
from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.config import watch
from externalgrpc.model import groups
from tests.config import fake_clouds
from tests.config.test_mistakes import group


def source(path: Path) -> config.Source:
    return config.Source(
        path=path, cluster="demo", environ=fake_clouds.ENVIRON, installed=fake_clouds.CLOUDS
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def settled(watched: watch.Watch) -> groups.Config | None:
    """Look twice, as a change needs; the first look must not take it yet."""
    assert watched.poll() is None
    return watched.poll()


def test_nothing_changed_nothing_happens(tmp_path: Path) -> None:
    watched = watch.Watch(source(written(tmp_path, group())))
    first = watched.config
    assert [watched.poll() for _ in range(5)] == [None] * 5
    assert watched.reload() is None
    assert watched.config is first


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError):
        watch.Watch(source(written(tmp_path, group(maxSize="x"))))
    with pytest.raises(config.ConfigError, match="No such file"):
        watch.Watch(source(tmp_path / "none.yaml"))


def test_a_changed_file_is_taken_at_the_second_look(tmp_path: Path) -> None:
    watched = watch.Watch(source(written(tmp_path, group())))
    written(tmp_path, group(maxSize="7"))
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.groups[0].max_size == 7
    assert watched.config is fresh
    assert watched.poll() is None


def test_a_change_of_nothing_but_words_is_not_news(tmp_path: Path) -> None:
    watched = watch.Watch(source(written(tmp_path, group())))
    written(tmp_path, "# a comment\n" + group())
    assert settled(watched) is None
    assert watched.poll() is None


def test_a_file_that_is_still_being_written_is_not_taken(tmp_path: Path) -> None:
    """Half a file may be valid, and lack the groups of its second half."""
    two = group() + group(name="b").removeprefix("nodes:\n")
    path = written(tmp_path, two)
    watched = watch.Watch(source(path))
    for end in range(len(group()), len(two), 17):
        path.write_text(two[:end])
        assert watched.poll() is None
    path.write_text(two)
    assert watched.poll() is None
    assert watched.poll() is None
    assert len(watched.config.groups) == 2


def test_a_mounted_config_map_swaps_a_link(tmp_path: Path) -> None:
    """kubelet writes a new folder and renames the link ..data over the old one."""
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "config").write_text(group(maxSize=str(number)))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config").symlink_to("..data/config")
    os.utime(tmp_path / "..1" / "config", (1, 1))
    os.utime(tmp_path / "..2" / "config", (1, 1))
    watched = watch.Watch(source(tmp_path / "config"))
    (tmp_path / "..fresh").symlink_to("..2")
    (tmp_path / "..fresh").rename(tmp_path / "..data")
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.groups[0].max_size == 2


def test_files_that_are_named_are_watched_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    (tmp_path / "join").write_text("echo 1")
    text = "accounts: [{name: x, provider: plain, tokenFile: token}]\n" + group(
        provider="plain", userDataFile="join"
    )
    watched = watch.Watch(source(written(tmp_path, text)))
    (tmp_path / "token").write_text("two")
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.accounts["x"].token == "two"
    (tmp_path / "join").write_text("echo 2")
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.groups[0].user_data == "echo 2"


def test_a_bad_file_is_reported_once_and_the_last_good_one_stays(tmp_path: Path) -> None:
    watched = watch.Watch(source(written(tmp_path, group())))
    first = watched.config
    written(tmp_path, group(maxSize="x"))
    assert watched.poll() is None
    with pytest.raises(config.ConfigError, match="maxSize"):
        watched.poll()
    assert [watched.poll() for _ in range(3)] == [None] * 3
    assert watched.config is first
    with pytest.raises(config.ConfigError, match="maxSize"):
        watched.reload()
    written(tmp_path, group())
    assert settled(watched) is None
    assert watched.config is first
    written(tmp_path, group(maxSize="8"))
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.groups[0].max_size == 8


def test_a_file_that_vanishes_is_a_bad_one(tmp_path: Path) -> None:
    path = written(tmp_path, group())
    watched = watch.Watch(source(path))
    path.unlink()
    assert watched.poll() is None
    with pytest.raises(config.ConfigError, match="No such file"):
        watched.poll()
    assert watched.poll() is None
    assert watched.config.groups


def test_a_token_that_comes_back_heals_a_bad_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    text = "accounts: [{name: x, provider: plain, tokenFile: token}]\n" + group(provider="plain")
    watched = watch.Watch(source(written(tmp_path, text)))
    token.unlink()
    assert watched.poll() is None
    with pytest.raises(config.ConfigError, match="token"):
        watched.poll()
    token.write_text("two")
    fresh = settled(watched)
    assert fresh is not None
    assert fresh.accounts["x"].token == "two"


def test_reload_does_not_wait_for_a_second_look(tmp_path: Path) -> None:
    watched = watch.Watch(source(written(tmp_path, group())))
    written(tmp_path, group(maxSize="9"))
    fresh = watched.reload()
    assert fresh is not None
    assert fresh.groups[0].max_size == 9
