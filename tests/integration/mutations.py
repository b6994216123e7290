"""Single changes to a project and its inputs, each of which makes another image, and null changes.

A change takes a random generator and a state, changes the state, and says what it did.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from random import Random

    from tests.integration.conftest import Registry

    Change = Callable[[Random, "State"], str]

BASE_CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example project, and what its Dockerfile takes."""

    name: str
    taken: tuple[str, ...]  # files that go into the image
    ignored: tuple[str, ...]  # files that do not, and would if they were not ignored
    new: str  # a new file that would go into the image
    argument: str  # one that the Dockerfile declares, or that BuildKit obeys
    target: str = ""  # another stage, if there is one


EXAMPLES = (
    Example(
        name="flask",
        taken=("requirements.txt", "app/__init__.py", "tests/test_app.py", "docker-compose.yml"),
        ignored=("README.md", "Dockerfile.multistage"),
        new="new.txt",
        argument="BUILDKIT_SANDBOX_HOSTNAME",
    ),
    Example(
        name="go-server",
        taken=("go.mod", "go.sum", "main.go", "main_test.go"),
        ignored=("other.go",),
        new="new.go",
        argument="GIT_COMMIT",
        target="build",
    ),
    Example(
        name="node-ci",
        taken=("package.json", "package-lock.json", "src/releases.js", "test/releases.test.js"),
        ignored=("src/other.js",),
        new="src/new.js",
        argument="BUILDKIT_SANDBOX_HOSTNAME",
    ),
)


@dataclass(kw_only=True)
class State:
    """A project, and what a run of it is given."""

    root: Path
    example: Example
    registry: Registry
    base: str  # reference of the base image
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def path(self, random: Random) -> Path:
        return self.root / random.choice(self.example.taken)

    @property
    def dockerfile(self) -> Path:
        return self.root / "Dockerfile"

    def edit(self, pattern: str, new: str) -> str:
        """Replace what a pattern finds in the Dockerfile; there has to be something."""
        text = self.dockerfile.read_text()
        edited = re.sub(pattern, lambda found: found.expand(new), text, count=1, flags=re.MULTILINE)
        assert edited != text, pattern
        self.dockerfile.write_text(edited)
        return f"Dockerfile: {pattern!r} became {new!r}"

    def append(self, line: str) -> str:
        with self.dockerfile.open("a") as file:
            file.write(f"\n{line}\n")
        return f"Dockerfile: added {line!r}"

    def give(self, **inputs: str) -> str:
        self.inputs |= inputs
        return f"inputs: {inputs}"

    def push_base(self, content: bytes) -> None:
        self.registry.put_artifact(self.base, BASE_CONFIG, b"{}", content)


def git(directory: Path, *arguments: str) -> None:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    subprocess.run(argv, cwd=directory, check=True, capture_output=True)  # noqa: S603 (our own)


# Changes of files.


def longer(random: Random, state: State) -> str:
    path = state.path(random)
    path.write_bytes(path.read_bytes() + random.choice([b"\n", b"x", b"\0"]))
    return f"{path.name} is longer"


def flipped(random: Random, state: State) -> str:
    """Change one byte of a file that git knows, and neither its size nor its time."""
    path = state.path(random)
    status, content = path.stat(), bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"a bit of {path.name} differs"


def added(random: Random, state: State) -> str:
    (state.root / state.example.new).write_bytes(random.randbytes(random.randrange(2)))
    return f"{state.example.new} is there"


def removed(random: Random, state: State) -> str:
    path = state.path(random)
    path.unlink()
    return f"{path.name} is gone"


def renamed(random: Random, state: State) -> str:
    path = state.path(random)
    path.rename(path.with_name(f"old-{path.name}"))
    return f"{path.name} has another name"


def swapped(random: Random, state: State) -> str:
    one, other = (state.root / name for name in random.sample(state.example.taken, 2))
    if one.read_bytes() == other.read_bytes():
        return longer(random, state)
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    return f"{one.name} and {other.name} have each other's content"


def mode_of_file(random: Random, state: State) -> str:
    path = state.path(random)
    path.chmod(path.stat().st_mode ^ random.choice([0o001, 0o010, 0o100, 0o004, 0o1000]))
    return f"{path.name} has another mode"


def mode_of_directory(random: Random, state: State) -> str:
    places = [(state.root / name).parent for name in state.example.taken]
    below = [place for place in places if place != state.root]
    if not below:
        return mode_of_file(random, state)
    directory = random.choice(below)
    directory.chmod(directory.stat().st_mode ^ random.choice([0o001, 0o010, 0o002]))
    return f"the directory {directory.name} has another mode"


def attribute(random: Random, state: State) -> str:
    path = state.path(random)
    os.setxattr(path, "user.kind", random.randbytes(4))
    return f"{path.name} has an extended attribute"


def linked(random: Random, state: State) -> str:
    path = state.path(random)
    moved = path.with_name(f"was-{path.name}")
    path.rename(moved)
    path.symlink_to(moved.name)
    return f"{path.name} is a link"


def another_target(random: Random, state: State) -> str:
    link = (state.root / state.example.new).with_name(LINK)
    if state.example.name == "go-server":
        # It does not take the link.
        return linked(random, state)
    link.unlink()
    link.symlink_to(f"elsewhere{random.randrange(1000)}")
    return f"{link.name} leads elsewhere"


def ignored_file(random: Random, state: State) -> str:
    path = state.path(random)
    with (state.root / ".dockerignore").open("a") as file:
        file.write(f"\n{path.relative_to(state.root).as_posix()}\n")
    return f"{path.name} is ignored"


def excepted_file(random: Random, state: State) -> str:
    name = random.choice(state.example.ignored)
    with (state.root / ".dockerignore").open("a") as file:
        file.write(f"\n!{name}\n")
    return f"{name} is no longer ignored"


def own_ignore_file(random: Random, state: State) -> str:
    path = state.path(random)
    text = (state.root / ".dockerignore").read_text()
    name = path.relative_to(state.root).as_posix()
    (state.root / "Dockerfile.dockerignore").write_text(f"{text}\n{name}\n")
    return f"another ignore file excludes {path.name}"


FILES: tuple[Change, ...] = (
    *(longer, flipped, flipped, added, removed, renamed, swapped, mode_of_file, mode_of_directory),
    *(attribute, linked, another_target, ignored_file, excepted_file, own_ignore_file),
)
# In each project, beside its new file.
LINK = "link.txt"


# Changes of the Dockerfile.


def line(text: str) -> Change:
    return lambda _random, state: state.append(text)


def edit(pattern: str, new: str) -> Change:
    return lambda _random, state: state.edit(pattern, new)


LINES: tuple[Change, ...] = (
    *map(
        line,
        (
            *("RUN :", "RUN --network=none :", 'RUN [":"]', "RUN <<EOF\ntrue\nEOF"),
            *("ENV ADDED=1", "ENV ADDED 2", "LABEL added=1", 'LABEL added="1 2" other=3'),
            *('CMD ["other"]', "CMD other", 'ENTRYPOINT ["other"]', "USER 12", "WORKDIR /other"),
            *("EXPOSE 9999", "EXPOSE 9999/udp", "VOLUME /volume", "STOPSIGNAL SIGINT"),
            *('SHELL ["/bin/other", "-c"]', "ONBUILD RUN true", "ONBUILD COPY . /all"),
            *("HEALTHCHECK NONE", "HEALTHCHECK --interval=3s CMD true", "MAINTAINER somebody"),
            *("ARG ADDED=1\nRUN :", "COPY --from=busybox:1.37 /bin/busybox /other"),
            "FROM scratch AS last\nCOPY --from=0 / /",
        ),
    ),
    edit(r"^WORKDIR (\S+)$", r"WORKDIR \1/below"),
    edit(r"^RUN ", r"RUN : && "),
    edit(r"^RUN ", r"RUN --mount=type=cache,target=/cache "),
    edit(r"^RUN ", r"RUN --mount=type=secret,id=token "),
    edit(r"^RUN ", r"RUN --mount=type=bind,target=/context "),
    edit(r"^COPY (\S.*)$", r"COPY --chown=1:1 \1"),
    edit(r"^COPY (\S.*)$", r"COPY --chmod=700 \1"),
    edit(r"^COPY (\S.*)$", r"ADD \1"),
    edit(r"^(CMD|ENTRYPOINT) \[", r'\1 ["first", '),
    edit(r"^FROM (\S+)", r"FROM --platform=linux/arm64 \1"),
    edit(r"^FROM \S+", r"FROM busybox:1.37"),
    edit(r"\A", "# syntax=docker/dockerfile:1.4\n"),
    edit(r"\A", "# check=error=true\n"),
    edit(r"\A", "# escape=`\n"),
)


def flag(_random: Random, state: State) -> str:
    if "HEALTHCHECK" in state.dockerfile.read_text():
        return state.edit(r"^HEALTHCHECK ", r"HEALTHCHECK --interval=7s ")
    return state.append("HEALTHCHECK --interval=7s CMD true")


def moved_line(random: Random, state: State) -> str:
    """Exchange two settings that follow each other, of which a later one wins."""
    first, other = f"ENV ORDER={random.randrange(9)}", "ENV ORDER=last"
    state.append(f"{other}\n{first}")
    return "Dockerfile: a variable is set twice"


def moved_base(random: Random, state: State) -> str:
    state.push_base(random.randbytes(8))
    return f"{state.base} has another digest"


def gone_base(_random: Random, state: State) -> str:
    return state.edit(r"^FROM (\S+):\S+", r"FROM \1:gone")


# Changes of inputs.


def given(**inputs: str) -> Change:
    return lambda _random, state: state.give(**inputs)


def argument(random: Random, state: State) -> str:
    return state.give(build_args=f"{state.example.argument}=v{random.randrange(10**9)}")


def target(_random: Random, state: State) -> str:
    if not state.example.target:
        state.append("FROM scratch AS last\nCOPY --from=0 / /")
    return state.give(target=state.example.target)


def replaced_base(_random: Random, state: State) -> str:
    return state.give(build_contexts=f"{state.base}=/tmp")


def variable(name: str, value: str) -> Change:
    def change(_random: Random, state: State) -> str:
        state.env[name] = value
        return f"environment: {name}={value}"

    return change


INPUTS: tuple[Change, ...] = (
    *(argument, argument, target, replaced_base),
    given(platforms="linux/arm64"),
    given(platforms="linux/amd64,linux/arm64"),
    given(secret_envs="token=HOME"),
    given(secret_envs="token=HOME,other=HOME"),
    given(secrets="token=value"),
    given(ssh="key=/dev/null"),
    given(network="none"),
    given(network="host", allow="network.host"),
    given(add_hosts="other:10.0.0.1"),
    given(ulimit="nofile=100:100"),
    given(shm_size="128m"),
    given(cgroup_parent="other"),
    given(labels="added=1"),
    given(labels="org.opencontainers.image.title=other"),
    given(annotations="added=1"),
    given(annotations="index:added=1"),
    given(provenance="false"),
    given(provenance="mode=max"),
    given(sbom="true"),
    given(attests="type=provenance,mode=max"),
    given(compression="zstd"),
    given(compression="gzip:1"),
    given(no_cache="true"),
    given(no_cache_filters="0"),
    given(refresh="true"),
    given(cleanup="false"),
    given(load="true"),
    given(outputs="type=local,dest=/tmp/never"),
    given(cache="off"),
    given(cache="write-only"),
    given(cache_version="2"),
    given(cache_max_age="1s"),
    given(push="false"),
    given(call="check"),
    given(build_args="BUILDKIT_SYNTAX=docker/dockerfile:1.4"),
    given(build_args="BUILDKIT_DOCKERFILE_CHECK=error=true"),
    given(build_args="SOURCE_DATE_EPOCH=7"),
    given(build_args="BUILDKIT_CACHE_MOUNT_NS=other"),
    given(driver="remote", endpoint="tcp://127.0.0.1:1", driver_opts="", buildkitd_config=""),
    given(builder="other"),
    variable("SOURCE_DATE_EPOCH", "7"),
    variable("DOCKER_DEFAULT_PLATFORM", "linux/arm64"),
    variable("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
    variable("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "/policy.json"),
)
CHANGES: Mapping[str, tuple[Change, ...]] = {
    "files": FILES,
    "Dockerfile": (*LINES, flag, moved_line, moved_base, moved_base, gone_base),
    "inputs": INPUTS,
}


# Null changes.


def touched(random: Random, state: State) -> str:
    path = state.path(random)
    os.utime(path, (random.randrange(10**9), random.randrange(10**9)))
    return f"{path.name} has another time"


def rewritten(random: Random, state: State) -> str:
    path = state.path(random)
    mode, content = path.stat().st_mode, path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)
    return f"{path.name} was written again"


def collected(_random: Random, state: State) -> str:
    git(state.root, "gc", "--quiet")
    return "git has collected its garbage"


def committed(random: Random, state: State) -> str:
    git(state.root, "commit", "--allow-empty", "--quiet", "--message", f"{random.random()}")
    return "there is another commit"


def unindexed(_random: Random, state: State) -> str:
    (state.root / ".git" / "index").unlink()
    return "git has no index"


def changed_ignored(random: Random, state: State) -> str:
    name = random.choice(state.example.ignored)
    with (state.root / name).open("a") as file:
        file.write(f"\n# {random.random()}\n")
    return f"{name} differs, which is ignored"


def commented(random: Random, state: State) -> str:
    return state.edit(r"\A", f"# {random.random()}\n\n")


def ignored_more(_random: Random, state: State) -> str:
    with (state.root / ".dockerignore").open("a") as file:
        file.write("\nnothing-is-called-so\n# a comment\n")
    return "the ignore file has another pattern"


def dated(_random: Random, state: State) -> str:
    labels = (f"org.opencontainers.image.{name}=x" for name in ("revision", "created", "version"))
    return state.give(labels="\n".join(labels))


NULL: tuple[Change, ...] = (
    *(touched, rewritten, collected, committed, unindexed, changed_ignored, commented),
    *(ignored_more, dated),
    given(pull="true"),
    given(build_args="NOT_DECLARED=1"),
    given(tags="other,another"),
    given(lint="false"),
    given(cache_timeout="5m"),
    given(context="./"),
    variable("UNRELATED", "1"),
    variable("CI_COMMIT_SHA", "0" * 40),
)
