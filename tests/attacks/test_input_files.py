"""Files and texts with which a stranger would crash a run, stall it, or write where it should not.

None needs an engine or a registry: a plan reads all of them, and so does whatever builds.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.golden import machine
from tests.golden.made_up import BUILT
from tests.printed import printed
from warmbuild import retries
from warmbuild.bake import allowed, targets
from warmbuild.buildkit.progress import Progress
from warmbuild.ci import variables
from warmbuild.project import git_index, git_modes
from warmbuild.vendors import refusal

SOURCES: Final = Path(__file__).resolve().parents[2] / "src"
# Seconds; a plan takes a tenth of one on an idle machine.
PATIENCE: Final = 60
COMMIT: Final = "ab" * 20
Planned: TypeAlias = Callable[..., str]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Return what plans the project in the current directory, and returns what is said."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.chdir(checkout)
    Path("Dockerfile").write_text("FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n")

    def planned(*argv: str, code: int = 0, **env: str | bytes) -> str:
        base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HOME": str(tmp_path)}
        done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
            [sys.executable, "-m", "warmbuild", "plan", "--image=r.io/me/app", *argv],
            env={**base, **env},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        said = f"{done.stdout.decode()}{done.stderr.decode()}"
        assert (done.returncode, bool(done.stderr)) == (code, bool(code)), said
        assert "Traceback" not in said
        return said

    return planned


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("RUN " + "[" * 100_000, id="brackets"),
        pytest.param("COPY --from=" + "9" * 5_000 + " a b", id="a stage's number"),
        pytest.param("COPY --from=² a b", id="a digit that is none"),
    ],
)
def test_crash_the_run_by_an_instruction(plan: Planned, text: str) -> None:
    """An instruction that no parser expects, in the Dockerfile of a pull request."""
    Path("Dockerfile").write_text(f"FROM a\n{text}\nCOPY . .\nRUN pip install -r a\n")
    assert "early-copy" in plan()


def test_crash_the_run_by_a_dockerfile_that_links_to_itself(plan: Planned) -> None:
    """The Dockerfile is a link to itself, which resolving follows for ever."""
    Path("Dockerfile").unlink()
    Path("Dockerfile").symlink_to("Dockerfile")
    assert "r.io/me/app" in plan()


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "pipe", ".", ".dockerignore"])
def test_stall_the_run_by_an_ignore_file_without_end(plan: Planned, target: str) -> None:
    """The .dockerignore is a link to a device or a pipe, which has no end."""
    os.mkfifo("pipe")
    Path(".dockerignore").symlink_to(target)
    assert "r.io/me/app" in plan()


@pytest.mark.parametrize("name", ["Dockerfile", ".git", ".git/HEAD", ".git/config", ".git/index"])
def test_stall_the_run_by_a_pipe(plan: Planned, name: str) -> None:
    """A file that warmbuild reads is a pipe that nobody writes to."""
    place = Path(name)
    place.parent.mkdir(exist_ok=True)
    if name.startswith(".git/"):
        Path(".git/HEAD").write_text("ref: refs/heads/main\n")
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert "r.io/me/app" in plan()


def test_exhaust_the_memory_by_a_file_without_end(plan: Planned) -> None:
    """Files of terabytes, which take no space in the checkout."""
    for name in ("Dockerfile", ".dockerignore", "event.json"):
        with Path(name).open("wb") as file:
            file.truncate(1 << 40)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": "event.json"}
    assert "r.io/me/app" in plan("--push=false", **env)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("FROM a\nCOPY " + "/" * 60 + "x .", id="slashes"),
        pytest.param("FROM x AS a" + "-" * 60 + "\nFROM " + "$a-" * 25 + "z", id="variables"),
        pytest.param(
            "FROM x AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(20_000)),
            id="stages",
        ),
        pytest.param("# a\n" * 60_000 + "FROM a", id="comments"),
        pytest.param("FROM a\n" + "ARG COMMIT\nRUN pip install $COMMIT\n" * 6_000, id="arguments"),
        pytest.param("FROM a\n# warmbuild ignore=" + " " * 60_000 + "!\nRUN a", id="a comment"),
        pytest.param("#syntax=a" + " " * 60_000 + "b\nFROM a", id="a directive"),
    ],
)
def test_stall_the_run_by_a_dockerfile(plan: Planned, text: str) -> None:
    """A small Dockerfile whose reading would take hours, or all memory."""
    Path("Dockerfile").write_text(f"{text}\n")
    assert "r.io/me/app" in plan()


@pytest.mark.parametrize("pattern", ["**/" * 10 + "x", "a/**/" * 30 + "x", "*a" * 60, "[" * 60_000])
def test_stall_the_run_by_a_pattern(plan: Planned, pattern: str) -> None:
    """A pattern of the .dockerignore that a tracked file nearly matches in very many ways."""
    path = "/".join(["a"] * 40) + "/" + "a" * 60
    entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(32)
    entry += len(path).to_bytes(2, "big") + path.encode()
    index = b"DIRC\0\0\0\2\0\0\0\1" + entry + bytes(8 - len(entry) % 8)
    Path(".git").mkdir()
    Path(".git/HEAD").write_text("ref: refs/heads/main\n")
    Path(".git/index").write_bytes(index)
    Path(path).parent.mkdir(parents=True)
    Path(path).touch(mode=0o600)
    assert list(git_modes.tracked_files(Path.cwd()) or ()) == [(path, 0o600, 0o644)]
    Path(".dockerignore").write_text(f"{pattern}\n")
    assert f"{path} has mode 600" in plan()


@pytest.mark.parametrize("epoch", ["9" * 5_000, "99999999999999", "-1", "٣", "²", "1e9", "\n"])
def test_crash_the_run_by_the_time_of_a_commit(plan: Planned, epoch: str) -> None:
    """SOURCE_DATE_EPOCH is no time that Python knows."""
    assert "r.io/me/app" in plan(
        "--tags=type=sha", "--labels=a={{commit_date}}", SOURCE_DATE_EPOCH=epoch
    )


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_crash_the_run_by_the_time_of_an_event(plan: Planned, stamp: str) -> None:
    """A commit's time is at the end of all times, and leaves them in another time zone.

    It counts as unknown, and the time of the run takes its place.
    """
    rule = "--tags=type=raw,value={{commit_date 'YYYY' tz='Asia/Tokyo'}}x"
    env = {"GITLAB_CI": "true", "CI_COMMIT_TIMESTAMP": stamp, "CI_COMMIT_BRANCH": "main"}
    assert re.search(r"r\.io/me/app:20\d\dx", plan(rule, **env))


def test_crash_the_run_by_the_bytes_of_a_branch(plan: Planned) -> None:
    """The branch's name is not UTF-8: it cannot be hashed, printed or written."""
    env: dict[str, str | bytes] = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push"}
    env |= {"CI_PROJECT_DIR": ".", "CI_COMMIT_BRANCH": b"f\xfcr/a", "CI_COMMIT_MESSAGE": b"\xff"}
    said = plan("--output-file=out.json", **env)
    other = plan(**env | {"CI_COMMIT_BRANCH": b"f\xf6r/a"})
    assert [line for line in said.splitlines() if "cache write" in line] != [
        line for line in other.splitlines() if "cache write" in line
    ]
    assert json.loads(Path("out.json").read_text())
    assert "WARMBUILD_" in Path(variables.FILE).read_text()


@pytest.mark.parametrize("name", ["labels", "build-args", "password", "cache-scope"])
def test_crash_the_run_by_the_bytes_of_an_input(plan: Planned, name: str) -> None:
    """An input that comes from a commit's author or message is not UTF-8."""
    variable = f"INPUT_{name.upper().replace('-', '_')}"
    assert f"{name}: contains bytes that are not UTF-8." in plan(code=2, **{variable: b"a=\xff"})


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"a":' * 500 + "1" + "}" * 500, id="as deep as Python reads"),
        pytest.param('{"number": ' + "9" * 5_000 + "}", id="a long number"),
        pytest.param('{"repository": {"default_branch": "\\ud800"}}', id="half of a character"),
    ],
)
def test_crash_the_run_by_an_event(plan: Planned, payload: str) -> None:
    """The event's payload holds what JSON allows and nobody expects."""
    Path("event.json").write_text(payload)
    Path("output").touch()
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/x"}
    env |= {"GITHUB_EVENT_PATH": "event.json", "GITHUB_OUTPUT": "output", "GITHUB_SHA": "(" * 7}
    assert "branch x" in plan("--build-args=A=b", **env)
    assert "cache-to" in Path("output").read_text()


@pytest.mark.parametrize("place", ["gone/output", ".", "Dockerfile/output"])
def test_crash_the_run_by_taking_its_files_away(plan: Planned, place: str) -> None:
    """An earlier step removed the files that the runner names, or put a directory there."""
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/x"}
    assert "could not be written to GITHUB_OUTPUT" in plan(code=3, **env, GITHUB_OUTPUT=place)


def test_crash_the_build_by_a_directory_for_its_outputs() -> None:
    """The checkout has a directory where the outputs of a build are written."""
    said = machine.built(
        env={"BUILDKITE": "true", "BUILDKITE_BRANCH": "x"},
        files={f"{variables.FILE}/a": ""},
        buildx={"build": BUILT},
    )
    assert "the outputs could not be written to warmbuild.env: it is not a regular file" in said
    assert "bug in warmbuild" not in said


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"BUILDKITE": "true", "BUILDKITE_BRANCH": "x"}, id="buildkite"),
        pytest.param(
            {"GITLAB_CI": "true", "CI_PROJECT_DIR": ".", "CI_COMMIT_BRANCH": "x"}, id="gitlab"
        ),
    ],
)
def test_overwrite_a_file_of_the_runner(plan: Planned, tmp_path: Path, env: dict[str, str]) -> None:
    """The checkout has a link where the outputs are written, to a file of the runner's user."""
    victim = tmp_path / "profile"
    victim.write_text("mine")
    Path(variables.FILE).symlink_to(victim)
    plan(**env)
    assert victim.read_text() == "mine"
    assert "WARMBUILD_" in Path(variables.FILE).read_text()
    assert not Path(variables.FILE).is_symlink()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("pack/pack-1.idx", b""),
        ("pack/pack-1.idx", b"\xfftOc\0\0\0\2" + b"\xff" * 1024),
        (
            "pack/pack-1.idx",
            b"\xfftOc\0\0\0\2" + b"\0\0\0\1" * 256 + bytes.fromhex(COMMIT) + bytes(8),
        ),
        (f"{COMMIT[:2]}/{COMMIT[2:]}", b"not deflated"),
        (f"{COMMIT[:2]}/{COMMIT[2:]}", zlib.compress(b"commit 9\0" + bytes(50_000_000), 9)),
    ],
)
def test_crash_the_run_by_a_corrupt_object(plan: Planned, name: str, data: bytes) -> None:
    """The objects of git are cut off, lie about their size, or grow without end."""
    place = Path(".git", "objects", name)
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    Path(".git/HEAD").write_text(COMMIT)
    Path(".git/objects/pack").mkdir(exist_ok=True)
    # A pack whose object never says where its length ends.
    Path(".git/objects/pack/pack-1.pack").write_bytes(b"\x9f" * 500)
    assert "r.io/me/app" in plan("--tags=type=sha")


def test_exhaust_the_memory_by_the_index_of_git() -> None:
    """Each path in the index is the one before and a byte more."""
    path = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(34)
    data = b"DIRC\0\0\0\4\0\2\0\0" + (path + b"\0a\0") * (1 << 17)
    with pytest.raises(ValueError, match="too long"):
        list(git_index.modes(data))


@pytest.mark.parametrize(
    ("env", "argv"),
    [
        ({}, ("--secret-files=A=/dev/zero",)),
        ({}, ("--secret-files=A=directory",)),
        ({}, ("--buildkitd-config=pipe",)),
        ({}, ("--file=" + "a" * 300,)),
        ({}, ("--context=" + "a" * 300,)),
        ({}, ("--file=large",)),
        ({}, ("--file=Dockerfile/a",)),
    ],
)
def test_crash_the_build_by_a_file_that_an_input_names(
    env: dict[str, str], argv: tuple[str, ...]
) -> None:
    """An input names a device, a directory, a pipe, or a path that no system takes."""

    def prepare(job: Path) -> None:
        (job / "directory").mkdir()
        os.mkfifo(job / "pipe")
        with (job / "large").open("wb") as file:
            file.truncate(1 << 40)

    said = machine.run(
        "build", "--image=r.io/a", *argv, env=env, prepare=prepare, files={"Dockerfile": "FROM a"}
    )
    assert "not usable, so nothing was started" in said


def test_stall_the_run_by_an_error_text() -> None:
    """A registry or a step fails with a text of 200 kB, in which the reason is looked for."""
    begun = time.process_time()
    for text in ("x" * 200_000, "unexpected status " * 11_000, "repository " * 18_000):
        assert not retries.passes(text)
        assert not refusal.Refusal(words=text).kind
        assert not refusal.read(text).status
    assert time.process_time() - begun < 10


def test_stall_the_build_by_an_endless_line() -> None:
    """A step prints without end and never begins a new line."""
    progress, begun = Progress(), time.process_time()
    started = {"digest": "a", "name": "a", "started": "2026-01-09T00:00:00Z"}
    begin = json.dumps({"vertexes": [started]})
    data = base64.b64encode(b"x" * 20).decode()
    line = json.dumps({"logs": [{"vertex": "a", "data": data}]})
    said = printed(progress, [begin, *[line] * 20_000])
    assert sum(map(len, said)) > 300_000
    assert time.process_time() - begun < 10


def test_crash_the_build_by_what_a_frontend_says() -> None:
    """A frontend of the attacker names its steps, counts bytes and times in ways of its own."""
    progress = Progress()
    vertex = {"digest": "a", "name": "[" + " " * 20_000, "started": "2026-01-09T00:00:00Z"}
    status = {
        "vertex": "a",
        "id": "b",
        "current": 10**400,
        "total": 10**400,
        "timestamp": "2026-01-09",
    }
    log = {"vertex": "a", "stream": [], "data": "eAo=", "timestamp": "2026-01-09"}
    for message in (
        {"vertexes": [vertex, {**vertex, "started": "2026-01-09"}]},
        {"statuses": [{**status, "completed": "2026-01-09T00:00:01Z"}], "logs": [log]},
    ):
        assert printed(progress, [json.dumps(message)])
    deep = '{"vertexes":' + "[" * 5_000
    assert printed(progress, [deep]) == [deep]
    assert progress.steps() == ()


@pytest.mark.parametrize("name", ["pipe", "directory", "large", "loop", "a" * 300])
@pytest.mark.parametrize("given", ["bake-files", "compose-files"])
def test_crash_the_run_by_a_file_of_targets(plan: Planned, given: str, name: str) -> None:
    """A bake or compose file is a pipe, a directory, a link to itself, or a terabyte long."""
    os.mkfifo("pipe")
    Path("directory").mkdir()
    Path("loop").symlink_to("loop")
    with Path("large").open("wb") as file:
        file.truncate(1 << 40)
    assert f"{given}: " in plan(f"--{given}={name}", code=2)


def test_hide_what_a_compose_file_reads(plan: Planned) -> None:
    """A compose file is longer than what is checked, and includes a file of the runner."""
    Path("compose.yaml").write_text("include: [/etc/passwd]\n" + "# a\n" * 100_000)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request_target"}
    said = plan("--compose-files=compose.yaml", code=2, **env)
    assert "compose.yaml is not a regular file of up to 256 kB" in said


def test_stall_the_run_by_groups_of_targets() -> None:
    """Each group of a bake file has the next one twice; the last of them has a target."""
    groups: dict[str, object] = {"default": {"targets": ["g0"]}}
    groups |= {f"g{n}": {"targets": [f"g{n + 1}"] * 2} for n in range(2_000)}
    groups["g2000"] = {"targets": ["web"]}
    printed = json.dumps({"group": groups, "target": {"web": {}}}, indent=2)
    assert [(one.name, one.linked) for one in targets.read(printed)] == [("web", False)]


def test_stall_the_run_by_the_name_of_a_layout() -> None:
    """A context has very many colons, each of which may begin its tag."""
    begun = time.process_time()
    assert sum(map(len, allowed.directories("oci-layout://" + ":" * 100_000))) < 10_000_000
    assert time.process_time() - begun < 10
