"""What the integration tests share: the lab, runs of warmbuild as CI starts it, and registries.

Nothing is faked here. A run is a process with an environment of its own, what it did is read from
its exit code, its output files, the engine and the registries, and every test ends with a look at
what its runs left behind.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest
import requests

from tests.integration.clients import Act, GitlabCiLocal, replaced, version
from tests.integration.faults import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.integration.faults import Proxy

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# The engine's own BuildKit pushes Docker's type without the containerd image store.
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFESTS = f"{OCI_MANIFEST}, application/vnd.oci.image.index.v1+json, {DOCKER_MANIFEST}"
# How long a run may take before a test gives up on it, in seconds.
PATIENCE = 120.0
SMALL = {
    "Dockerfile": (
        "FROM busybox:1.37\nRUN cat /proc/sys/kernel/random/uuid > /once\nCOPY source.txt /\n"
    ),
    "source.txt": "one",
}
_RECORD = "---record"
_MOUNT = "---mount-"
_BUILDER = re.compile(r"^\+ docker buildx create --name (\S+)", re.MULTILINE)
_STEP_ROW = re.compile(
    r"^\| \d+/\d+ \| `(?P<step>.*)` \| (?P<cache>hit|miss|stopped|\*\*failed).*$"
)


@dataclass(frozen=True, slots=True)
class Lab:
    """What `python -m lab env` says."""

    env: Mapping[str, str]

    @property
    def registry(self) -> str:
        return self.env["WARMBUILD_LAB_REGISTRY"]

    @property
    def auth_registry(self) -> str:
        return self.env["WARMBUILD_LAB_AUTH_REGISTRY"]

    @property
    def username(self) -> str:
        return self.env["WARMBUILD_LAB_AUTH_USERNAME"]

    @property
    def password(self) -> str:
        return self.env["WARMBUILD_LAB_AUTH_PASSWORD"]

    @property
    def basic(self) -> str:
        """The login as an HTTP header and a config.json hold it."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def buildkitd_config(self) -> str:
        return self.env["WARMBUILD_LAB_BUILDKITD_CONFIG"]

    @property
    def driver_opts(self) -> str:
        return f"image={self.env['WARMBUILD_LAB_BUILDKIT_IMAGE']}\nnetwork=host"

    @property
    def engine_socket(self) -> str:
        return self.env["DOCKER_HOST"].removeprefix("unix://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that is over; `lines` are (seconds since its start, text), as they were read.

    `memory` is the most that the process itself had, in bytes, at its last line.
    """

    code: int
    lines: tuple[tuple[float, str], ...]
    outputs: Mapping[str, str]
    summary: str
    seconds: float
    memory: int

    @property
    def log(self) -> str:
        return "\n".join(text for _, text in self.lines)

    @property
    def done(self) -> float:
        """Seconds until all was said; a builder that goes may then wait for those of others."""
        return self.lines[-1][0]

    @property
    def builder(self) -> str:
        """The name of the builder that the run made."""
        found = _BUILDER.search(self.log)
        assert found, self.log
        return found[1]

    @property
    def command(self) -> str:
        """The build as the log shows it."""
        return next(text for _, text in self.lines if text.startswith("+ docker buildx build "))

    @property
    def warnings(self) -> list[str]:
        return [text for _, text in self.lines if text.startswith("warning: ")]

    @property
    def errors(self) -> list[str]:
        return [text for _, text in self.lines if text.startswith("error: ")]

    @property
    def steps(self) -> dict[str, bool]:
        """Whether each step was cached, by its instruction, as the summary's table has it."""
        rows = [_STEP_ROW.match(line) for line in self.summary.splitlines()]
        return {row["step"]: row["cache"] == "hit" for row in rows if row}

    @property
    def cached(self) -> list[str]:
        return [step for step, is_cached in self.steps.items() if is_cached]

    @property
    def executed(self) -> list[str]:
        return [step for step, is_cached in self.steps.items() if not is_cached]


def _memory(pid: int) -> int:
    """Return the most memory that a process had until now, in bytes; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


class Run:
    """warmbuild on its way; a thread reads its log."""

    def __init__(self, process: subprocess.Popen[bytes], outputs: Path, summary: Path) -> None:
        self.process = process
        self._outputs, self._summary = outputs, summary
        self._begun = time.monotonic()
        self._memory = 0
        self._lines: list[tuple[float, str]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> str:
        with self._news:
            return "\n".join(text for _, text in self._lines)

    @property
    def builder(self) -> str:
        found = _BUILDER.search(self.log)
        return found[1] if found else ""

    @property
    def has_begun(self) -> bool:
        """Whether its first instruction has run: it handles SIGQUIT, as Python itself does not."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
        return bool(found and int(found[1], 16) >> (signal.SIGQUIT - 1) & 1)

    def wait_for(self, pattern: str) -> None:
        """Return once the log has what a regular expression finds."""
        with self._news:
            while not any(re.search(pattern, text) for _, text in self._lines):
                if not self._news.wait(PATIENCE) or not self._reader.is_alive():
                    found = any(re.search(pattern, text) for _, text in self._lines)
                    assert found, "\n".join(text for _, text in self._lines)

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait for the end, this many seconds; no way to end shows a traceback."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"the run did not end:\n{self.log}")
        seconds = time.monotonic() - self._begun
        self._reader.join(PATIENCE)
        assert "Traceback" not in self.log, self.log
        return Ended(
            code=code,
            lines=tuple(self._lines),
            outputs=json.loads(self._outputs.read_text()) if self._outputs.exists() else {},
            summary=self._summary.read_text() if self._summary.exists() else "",
            seconds=seconds,
            memory=self._memory,
        )

    def processes(self) -> list[int]:
        """Return the run's processes that are still there."""
        found = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
        return [pid for pid in found if _session(pid) == self.process.pid]

    def _read(self) -> None:
        assert self.process.stdout is not None
        # A terminal whose last program has ended gives no more than an error.
        with suppress(OSError), self.process.stdout as stream:
            for line in stream:
                self._memory = max(self._memory, _memory(self.process.pid))
                with self._news:
                    self._lines.append((time.monotonic() - self._begun, line.decode().rstrip("\n")))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


@dataclass(slots=True, kw_only=True)
class Warmbuild:
    """Starts warmbuild as a CI job does, and remembers the builders that the runs made."""

    lab: Lab
    engine: docker.DockerClient
    directory: Path
    # Whether the first run is measured, where the tests are.
    is_measured: bool = True
    # Builders that are to stay, and that the test itself removes.
    kept: set[str] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def temporary(self) -> Path:
        return self.directory / "tmp"

    def start(
        self,
        project: Path,
        *,
        branch: str = "main",
        ci: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        on_terminal: bool = False,
        **inputs: str,
    ) -> Run:
        """Start a build in a project: by default a push to `branch` on GitLab, or as `ci` says.

        On a terminal, a line is what comes before a newline, with what moves the cursor.
        """
        files = Path(tempfile.mkdtemp(prefix="run-", dir=self.directory))
        outputs, summary = files / "outputs.json", files / "summary.md"
        # Without a context it is the commit on GitHub that is built there.
        place = {} if {"bake_files", "compose_files"} & inputs.keys() else {"context": "."}
        inputs = {**place, "output_file": str(outputs), "summary_file": str(summary)} | inputs
        ours, theirs = pty.openpty() if on_terminal else (-1, subprocess.PIPE)
        process = subprocess.Popen(
            [sys.executable, "-m", "warmbuild", "build"],
            cwd=project,
            env={
                **self.environment,
                **(gitlab(branch) if ci is None else ci),
                **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
                **(extra or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if on_terminal:
            os.close(theirs)
            process.stdout = os.fdopen(ours, "rb")
        run = Run(process, outputs, summary)
        self.runs.append(run)
        return run

    def build(
        self,
        project: Path,
        *,
        branch: str = "main",
        ci: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Ended:
        """Run a build to its end."""
        return self.start(
            project, branch=branch, ci=ci, extra=extra, on_terminal=False, **inputs
        ).end()

    def succeed(
        self,
        project: Path,
        *,
        branch: str = "main",
        ci: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Ended:
        """Run a build that has to end well."""
        ended = self.build(project, branch=branch, ci=ci, extra=extra, **inputs)
        assert ended.code == 0, ended.log
        return ended

    @property
    def environment(self) -> dict[str, str]:
        """What every run has: the lab, little patience, a home and a temporary directory.

        With `--cov` the first run of a test is measured too, and of its cases the first one's. It
        costs as much again as the run itself, and the others add next to no lines.
        """
        is_measured = self.is_measured and not self.runs
        measured = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
        return {
            **(measured if is_measured else {}),
            "PATH": self.lab.env["PATH"],
            "DOCKER_HOST": self.lab.env["DOCKER_HOST"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT / "src"),
            "INPUT_DRIVER_OPTS": self.lab.driver_opts,
            "INPUT_BUILDKITD_CONFIG": self.lab.buildkitd_config,
            # What fails always is given up soon; `retry_timeout=""` gives a run the default.
            "INPUT_RETRY_TIMEOUT": "8s",
        }

    def remains(self, builder: str) -> list[str]:
        """Return the containers and volumes that a builder has in the engine."""
        name = f"buildx_buildkit_{builder}0"
        found = self.engine.containers.list(all=True, filters={"name": name}, ignore_removed=True)
        volumes = self.engine.volumes.list(filters={"name": name})
        return [*(f"container {item.name}" for item in found), *(item.name for item in volumes)]

    def builders_left(self) -> list[str]:
        """Return what there still is of the builders that the runs made and had to remove."""
        return [
            remain
            for run in self.runs
            if run.builder and run.builder not in self.kept
            for remain in self.remains(run.builder)
        ]

    def check(self) -> None:
        """Fail where a run is still there, or has left something."""
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
                pytest.fail(f"a run was left behind:\n{run.log}")
            # buildx outlives a run that is killed, and ends by itself.
            patience = PATIENCE if run.process.returncode == -signal.SIGKILL else 0.0
            deadline = time.monotonic() + patience
            while (found := run.processes()) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert found == []
        # The engine deletes the last files of a state by itself.
        deadline = time.monotonic() + PATIENCE
        while (left := self.builders_left()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert left == []
        assert [path.name for path in self.temporary.glob("warmbuild-*") if path.is_dir()] == []
        # The user's buildx knows the builders that stay.
        theirs = {".docker"} if self.kept else set()
        assert {path.name for path in self.home.iterdir()} <= theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry of the lab, asked over its API, and what it was asked by others."""

    host: str
    access_log: Path
    login: tuple[str, str] | None = None

    def get(self, path: str, method: str = "GET") -> requests.Response:
        return requests.request(
            method,
            f"http://{self.host}/v2/{path}",
            headers={"Accept": MANIFESTS},
            auth=self.login,
            timeout=10,
        )

    def tags(self, repository: str) -> list[str]:
        """Return the tags of `host/path`, without those of records and of cache mounts."""
        found = self._tags(repository)
        return [tag for tag in found if not tag.endswith(_RECORD) and _MOUNT not in tag]

    def mounts(self, repository: str) -> list[str]:
        """Return the tags of the cache mounts that are kept in a repository."""
        return [tag for tag in self._tags(repository) if _MOUNT in tag]

    def records(self, repository: str) -> list[str]:
        """Return the tags of the caches that have a record beside them."""
        found = self._tags(repository)
        return [tag.removesuffix(_RECORD) for tag in found if tag.endswith(_RECORD)]

    def _tags(self, repository: str) -> list[str]:
        response = self.get(f"{self._path(repository)}/tags/list")
        return sorted(response.json()["tags"] or []) if response.ok else []

    def digest(self, ref: str) -> str:
        """Return the digest of a ref that is there."""
        return str(self._manifest(ref).headers["Docker-Content-Digest"])

    def manifest(self, ref: str) -> dict[str, Any]:
        """Return the manifest of an image; of an index, its first image's."""
        manifest = self._manifest(ref).json()
        if "manifests" not in manifest:
            return dict(manifest)
        repository = self._split(ref)[0]
        return self.manifest(f"{self.host}/{repository}@{manifest['manifests'][0]['digest']}")

    def config(self, ref: str) -> dict[str, Any]:
        """Return the configuration of an image."""
        digest = self.manifest(ref)["config"]["digest"]
        return dict(self.get(f"{self._split(ref)[0]}/blobs/{digest}").json())

    def layers(self, ref: str) -> list[str]:
        return [layer["digest"] for layer in self.manifest(ref)["layers"]]

    def check_image(self, ref: str) -> None:
        """Fail unless all that an image is made of is there."""
        manifest = self.manifest(ref)
        self._check_blobs(ref, [manifest["config"], *manifest["layers"]])

    def check_cache(self, ref: str) -> None:
        """Fail unless a ref is a cache, with its records and all its layers."""
        manifest = self.manifest(ref)
        assert manifest["config"]["mediaType"] == CACHE_CONFIG, manifest
        repository, _ = self._split(ref)
        config = self.get(f"{repository}/blobs/{manifest['config']['digest']}").json()
        assert config["records"]
        assert {layer["blob"] for layer in config["layers"]} == set(self.layers(ref))
        self._check_blobs(ref, manifest["layers"])

    def put_blob(self, repository: str, content: bytes, digest: str) -> None:
        path = self._path(repository)
        begun = requests.post(f"http://{self.host}/v2/{path}/blobs/uploads/", timeout=10)
        place = begun.headers["Location"]
        requests.put(place, params={"digest": digest}, data=content, timeout=10).raise_for_status()

    def put_artifact(self, ref: str, config_type: str, config: bytes, *layers: bytes) -> None:
        """Put something at a ref, of a configuration and layers."""
        repository, _, _ = ref.rpartition(":")

        def blob(media_type: str, content: bytes) -> dict[str, object]:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.put_blob(repository, content, digest)
            return {"mediaType": media_type, "digest": digest, "size": len(content)}

        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": blob(config_type, config),
            "layers": [blob("application/vnd.oci.image.layer.v1.tar+gzip", one) for one in layers],
        }
        self.put_manifest(ref, manifest)

    def put_manifest(self, ref: str, manifest: Mapping[str, object] | bytes) -> None:
        path, tag = self._split(ref)
        media_type = OCI_MANIFEST if isinstance(manifest, bytes) else manifest["mediaType"]
        requests.put(
            f"http://{self.host}/v2/{path}/manifests/{tag}",
            data=manifest if isinstance(manifest, bytes) else json.dumps(manifest),
            headers={"Content-Type": str(media_type)},
            timeout=10,
        ).raise_for_status()

    def asked(self, repository: str, method: str) -> list[str]:
        """Return the paths below a repository that anybody asked for by a method."""
        pattern = re.compile(rf'"{method} /v2/{re.escape(self._path(repository))}/(\S+) HTTP')
        return pattern.findall(self.access_log.read_text())

    def _check_blobs(self, ref: str, descriptors: list[dict[str, Any]]) -> None:
        repository, _ = self._split(ref)
        answers = {
            item["digest"]: self.get(f"{repository}/blobs/{item['digest']}", "HEAD").status_code
            for item in descriptors
        }
        assert answers
        assert set(answers.values()) == {200}

    def _manifest(self, ref: str) -> requests.Response:
        repository, name = self._split(ref)
        response = self.get(f"{repository}/manifests/{name}")
        response.raise_for_status()
        return response

    def _path(self, repository: str) -> str:
        return repository.removeprefix(f"{self.host}/")

    def _split(self, ref: str) -> tuple[str, str]:
        path, separator, name = self._path(ref).partition("@")
        return (path, name) if separator else (path.partition(":")[0], path.partition(":")[2])


def gitlab(branch: str) -> dict[str, str]:
    """Return what GitLab sets in a push pipeline of a project whose default branch is main."""
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": branch,
        "CI_COMMIT_REF_NAME": branch,
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_SHA": "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4",
    }


# A merge request into main from another project, on GitLab.
FORK = {
    **gitlab(""),
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "13",
    "CI_PROJECT_ID": "1",
}


def lab_settings() -> dict[str, str]:
    """Return the settings of the lab that is up; `make lab` starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "env", "--format", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(lab_settings())


@pytest.fixture(scope="session")
def engine(lab: Lab) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=lab.env["DOCKER_HOST"], timeout=int(PATIENCE))
    yield client
    client.close()


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Registry:
    """The lab's plain registry."""
    return Registry(host=lab.registry, access_log=Path(lab.env["WARMBUILD_LAB_REGISTRY_LOG"]))


@pytest.fixture(scope="session")
def auth_registry(lab: Lab) -> Registry:
    """The lab's registry with a password."""
    return Registry(
        host=lab.auth_registry,
        access_log=Path(lab.env["WARMBUILD_LAB_AUTH_REGISTRY_LOG"]),
        login=(lab.username, lab.password),
    )


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name that no other test has, in this session or another one."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{words[:80].strip('-')}-{secrets.token_hex(3)}"


@pytest.fixture
def repository(lab: Lab, name: str) -> str:
    """Return a repository of the plain registry that nothing was pushed to."""
    return f"{lab.registry}/{name}"


@pytest.fixture
def secured(lab: Lab, name: str) -> str:
    """Return a repository of the registry with a password."""
    return f"{lab.auth_registry}/{name}"


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """Have a proxy before the plain registry that fails as it is told to."""
    with proxied(lab.registry) as found:
        yield found


@pytest.fixture
def auth_proxy(lab: Lab) -> Iterator[Proxy]:
    """Have such a proxy before the registry with a password."""
    with proxied(lab.auth_registry) as found:
        yield found


@pytest.fixture(scope="session")
def _runs() -> Iterator[list[Warmbuild]]:
    """Collect every test's runs: what was stopped may not come back to life later."""
    everything: list[Warmbuild] = []
    yield everything
    assert [left for warmbuild in everything for left in warmbuild.builders_left()] == []


@contextmanager
def running(
    lab: Lab, engine: docker.DockerClient, directory: Path, everything: list[Warmbuild]
) -> Iterator[Warmbuild]:
    """Start runs in a directory, and check in the end that they have left nothing."""
    runs = Warmbuild(lab=lab, engine=engine, directory=directory)
    for place in (runs.home, runs.temporary):
        place.mkdir()
    everything.append(runs)
    yield runs
    runs.check()


@pytest.fixture
def warmbuild(
    lab: Lab,
    engine: docker.DockerClient,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    _runs: list[Warmbuild],
) -> Iterator[Warmbuild]:
    case = getattr(request.node, "callspec", None)
    with running(lab, engine, tmp_path, _runs) as runs:
        runs.is_measured = case is None or not any(case.indices.values())
        yield runs


def written(directory: Path, files: Mapping[str, str]) -> Path:
    """Write a project with these files by name, and return its directory."""
    place = directory / "project"
    place.mkdir(exist_ok=True)
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return place


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write a project: its Dockerfile, and other files by name."""

    def write(dockerfile: str, files: Mapping[str, str] | None = None) -> Path:
        return written(tmp_path, {"Dockerfile": dockerfile, **(files or {})})

    return write


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a project of two steps, the first of which never gives the same result twice."""
    return written(tmp_path, SMALL)


@pytest.fixture
def flask(tmp_path: Path) -> Path:
    """Return a copy of the example project."""
    return Path(shutil.copytree(ROOT / "examples" / "flask", tmp_path / "flask"))


@pytest.fixture
def github(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return what GitHub sets for an event; its command files are in the test's directory."""

    def event(name: str, payload: str, ref: str) -> dict[str, str]:
        directory = tmp_path / "github"
        directory.mkdir(exist_ok=True)
        paths = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary.md"}
        for file in paths.values():
            (directory / file).write_text("")
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(DATA / payload),
            "GITHUB_REF": ref,
            "GITHUB_SHA": "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_REPOSITORY": "octo-org/shop",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKFLOW": "build",
            "RUNNER_TEMP": str(tmp_path),
            **{variable: str(directory / file) for variable, file in paths.items()},
        }

    return event


@pytest.fixture
def unused_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    import socket  # noqa: PLC0415 (for this alone)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def program(tmp_path: Path, lab: Lab) -> Callable[[str, str], dict[str, str]]:
    """Put a shell script before everything else on the PATH; returns the variable to set."""

    def write(name: str, script: str) -> dict[str, str]:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        path = directory / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        return {"PATH": f"{directory}{os.pathsep}{lab.env['PATH']}"}

    return write


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubCache:
    """The lab's cache service of GitHub, version 1, as a job of the branch main has it."""

    url: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """What the runner sets, and buildx reads by itself."""
        return {"ACTIONS_CACHE_URL": self.url, "ACTIONS_RUNTIME_TOKEN": self.token}

    def of_branch(self, branch: str) -> GithubCache:
        """Return it as a job of another branch has it: main's caches are there to be read."""
        scopes = [
            {"Scope": f"refs/heads/{branch}", "Permission": 3},
            {"Scope": "refs/heads/main", "Permission": 1},
        ]
        header, payload, signature = self.token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(f"{payload}=="))
        text = json.dumps(claims | {"ac": json.dumps(scopes)}).encode()
        payload = base64.urlsafe_b64encode(text).decode().rstrip("=")
        return GithubCache(url=self.url, token=f"{header}.{payload}.{signature}")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """The lab's S3, and a bucket in it."""

    url: str
    bucket: str
    region: str
    key_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The keys, as buildx reads them by itself."""
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}


@dataclass(frozen=True, slots=True, kw_only=True)
class Azblob:
    """The lab's Azure Blob Storage; buildx reads none of this from the environment."""

    url: str
    account: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm64:
    """What builds for linux/amd64 and linux/arm64 start from; both run here."""

    image: str


def of_part(lab: Lab, part: str, *names: str) -> dict[str, str]:
    """Return the variables of a part of the lab, by the end of their names in lower case."""
    assert part in lab.env["WARMBUILD_LAB_PARTS"].split(), f"run: python3 -m lab up {part}"
    prefix = f"WARMBUILD_LAB_{part.replace('-', '_')}"
    return {name: lab.env[f"{prefix}_{name}".upper()] for name in names}


@pytest.fixture(scope="session")
def github_cache(lab: Lab) -> GithubCache:
    return GithubCache(**of_part(lab, "gha", "url", "token"))


@pytest.fixture(scope="session")
def s3(lab: Lab) -> S3:
    return S3(**of_part(lab, "s3", "url", "bucket", "region", "key_id", "secret"))


@pytest.fixture(scope="session")
def azblob(lab: Lab) -> Azblob:
    return Azblob(**of_part(lab, "azblob", "url", "account", "key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Otelcol:
    """The lab's collector of traces, and the file that it writes."""

    url: str
    file: str

    def spans(self, trace: str, patience: float = 10.0) -> list[dict[str, Any]]:
        """Return the spans of a trace, each with the attributes of its resource, once they came."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = [span for span in self._spans() if span["traceId"] == trace]
            if found:
                return found
            time.sleep(0.1)
        return []

    def _spans(self) -> Iterator[dict[str, Any]]:
        # The last line may not be whole yet.
        for line in Path(self.file).read_text().splitlines(keepends=True):
            for origin in json.loads(line)["resourceSpans"] if line.endswith("\n") else ():
                for scope in origin["scopeSpans"]:
                    yield from (span | {"resource": origin["resource"]} for span in scope["spans"])


@pytest.fixture(scope="session")
def otelcol(lab: Lab) -> Otelcol:
    return Otelcol(**of_part(lab, "otelcol", "url", "file"))


@pytest.fixture(scope="session")
def arm64(lab: Lab) -> Arm64:
    return Arm64(**of_part(lab, "arm64", "image"))


@pytest.fixture
def act(lab: Lab, engine: docker.DockerClient, tmp_path: Path) -> Iterator[Act]:
    part = of_part(lab, "act", "program", "image")
    client = Act(lab=lab, directory=tmp_path, program=part["program"], image=part["image"])
    yield client
    client.check(engine)


@pytest.fixture
def gitlab_ci_local(
    lab: Lab, engine: docker.DockerClient, tmp_path: Path
) -> Iterator[GitlabCiLocal]:
    part = of_part(lab, "gitlab-ci-local", "program")
    client = GitlabCiLocal(lab=lab, directory=tmp_path, program=part["program"])
    yield client
    client.check(engine)


@pytest.fixture(scope="session")
def image(
    lab: Lab, engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Build the Dockerfile of this checkout with buildx alone; return the image's name."""
    tag = f"warmbuild:test-{secrets.token_hex(4)}"
    builder = tag.replace(":", "-")
    env = {**lab.env, "BUILDX_CONFIG": str(tmp_path_factory.mktemp("buildx"))}
    options = [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    create = ["create", "--name", builder, "--driver=docker-container", *options]
    try:
        buildx(env, *create, "--buildkitd-config", lab.buildkitd_config)
        buildx(env, "build", "--builder", builder, "--load", "--tag", tag, ".")
    finally:
        buildx(env, "rm", "--force", builder)
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture
def action(image: str, tmp_path: Path) -> str:
    """Return the option for act to take the action from here, as a release has it.

    release.yml changes the same line; the image is this checkout's in the published one's place.
    """
    place = tmp_path / "action"
    place.mkdir()
    text = (ROOT / "action.yml").read_text()
    own = {r"^  image: Dockerfile$": f"  image: docker://{image}"}
    (place / "action.yml").write_text(replaced(text, own))
    return f"--local-repository=warmbuild/warmbuild@v{version()}={place}"


@pytest.fixture
def of_the_lab(lab: Lab) -> dict[str, str]:
    """Return the inputs that every builder on the lab needs: its registry is this machine's."""
    return {
        "DRIVER_OPTS": "network=host",
        "BUILDKITD_CONFIG_INLINE": Path(lab.buildkitd_config).read_text(),
    }


def builders(engine: docker.DockerClient, log: str) -> list[str]:
    """Return what there still is in the engine of the builders that a log says were made."""
    found: list[str] = []
    for name in _BUILDER.findall(log):
        own = f"buildx_buildkit_{name}0"
        containers = engine.containers.list(all=True, filters={"name": own}, ignore_removed=True)
        volumes = engine.volumes.list(filters={"name": own})
        found += [str(item.name) for item in containers] + [str(item.id) for item in volumes]
    return found


def buildx(env: Mapping[str, str], *arguments: str) -> str:
    """Run the lab's buildx, and return what it prints."""
    done = subprocess.run(  # noqa: S603 (the lab's own program)
        [env["WARMBUILD_LAB_BUILDX"], *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
