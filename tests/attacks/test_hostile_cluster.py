"""A cluster, or what passes for one, that wants the run's time, memory or token, or its log.

Each API server here is a true one of this machine, and the client is warmbuild's own.
"""

from __future__ import annotations

import itertools
import json
import os
import pwd
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.hostile import SECRET, Asked, Hostile, answer, head, hostile, in_time
from warmbuild import ci, cli
from warmbuild.builder import fleet
from warmbuild.cluster import client
from warmbuild.cluster.client import Cluster, Keeping
from warmbuild.cluster.kubeconfig import Access
from warmbuild.cluster.pool import Pool
from warmbuild.errors import EngineError
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What is read of an answer at most, with what Python needs for it, in bytes.
MOST = 16 * 1024 * 1024


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"_CONNECT": 0.5, "_ANSWER": 0.5, "_FIRST": 0.1}.items():
        monkeypatch.setattr(client, name, seconds)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def log() -> Log:
    return Log(ci.named("github"))


def cluster(server: Hostile, log: Log) -> Cluster:
    """Return a cluster as a run with a token reaches it."""
    keeping = Keeping(keep=lambda name, _content: name, hide=log.hide)
    return Cluster(Access(server=f"http://{server.host}", token=SECRET), {}, keeping)


def test_name_a_cluster_by_their_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """They commit a .kube/config with a plugin of theirs, where the job has no HOME."""
    plugin = {"command": "/bin/touch", "args": ["ran"]}
    theirs: dict[str, Any] = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
    }
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(json.dumps(theirs))
    monkeypatch.chdir(tmp_path)
    nobody = (*pwd.getpwuid(os.getuid())[:5], "/nowhere", "")
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pwd.struct_passwd(nobody))
    keeping = Keeping(keep=lambda name, _content: name, hide=log.hide)
    with pytest.raises(EngineError, match=r"KUBECONFIG is not set, and there is no ~/.kube/config"):
        client.found({"PATH": os.environ["PATH"]}, keeping)


def test_bring_a_cluster_where_the_job_looks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They commit the file that KUBECONFIG of the job names, with a program of theirs in it."""
    (tmp_path / "kubeconfig").write_text("{}")
    monkeypatch.chdir(tmp_path)
    fork = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "13",
        "CI_PROJECT_ID": "1",
        "KUBECONFIG": "kubeconfig",
    }
    assert cli.main(["build", "--image=r.io/me/app", "--driver=kubernetes"], fork) == 2
    assert "KUBECONFIG: names 'kubeconfig' in the checkout" in capsys.readouterr().err


def test_get_the_token_of_a_cluster_by_a_redirect(log: Log) -> None:
    """What answers in the place of the API server sends the run to a server of theirs."""
    with hostile(lambda _server, _asked: answer(200, b"{}")) as theirs:

        def leading(_server: Hostile, _asked: Asked) -> Iterator[bytes]:
            return answer(307, location=f"http://{theirs.host}/api")

        with (
            hostile(leading) as server,
            pytest.raises(EngineError, match="redirects to another address"),
        ):
            cluster(server, log).call("GET", "/api")
    assert theirs.asked == []


def test_hold_the_boot_by_an_answer_without_end(log: Log) -> None:
    """The API server sends a list of pods a byte at a time."""

    def slowly(server: Hostile, _: Asked) -> Iterator[bytes]:
        yield head(200, content_length="100000")
        yield from server.every(0.05, itertools.repeat(b" "))

    with (
        hostile(slowly) as server,
        in_time(),
        pytest.raises(EngineError, match="does not answer"),
    ):
        cluster(server, log).call("GET", "/api")


def test_fill_the_memory_by_a_list_of_pods(log: Log) -> None:
    """The API server sends gigabytes of pods, as fast as it can."""

    def endless(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield head(200)
        yield from itertools.repeat(b" " * 65536)

    tracemalloc.start()
    try:
        with (
            hostile(endless) as server,
            in_time(),
            pytest.raises(EngineError, match="an answer that is too large"),
        ):
            cluster(server, log).call("GET", "/api")
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def test_command_the_ci_system_by_the_words_of_a_pod(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may write the status of a pod puts lines and commands into its message."""
    message = f"x\r\n::set-env name=PATH::/evil\n##[group]y\x1b[2J {SECRET}"
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    pod = {"metadata": {"name": "p\n::error::q", "uid": "u"}, "status": {"conditions": [condition]}}

    def pods(_: Hostile, asked: Asked) -> Iterator[bytes]:
        found = {"items": [pod]} if "/pods" in asked.path else {}
        return answer(200, json.dumps(found).encode())

    one = Pool(name="wb0", namespace="ci", seconds=4.0)
    with hostile(pods) as server, pytest.raises(EngineError) as caught:
        fleet.Fleet(cluster=cluster(server, log), pools=(one,), held=False, log=log).boot()
    log.fail(str(caught.value))
    said = capsys.readouterr()
    masks, *lines = said.out.splitlines()
    assert masks == f"::add-mask::{SECRET}"
    errors = said.err.splitlines()
    assert not [line for line in lines if line.startswith("::")]
    assert all(line.startswith("::error") for line in errors if line.startswith("::"))
    assert "\x1b" not in said.out + said.err
    assert SECRET not in "".join((*lines, *errors))
