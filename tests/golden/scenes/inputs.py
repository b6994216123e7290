"""Every input error: bad values, inputs that do not go together, files that are not there."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from tests.golden import machine
from tests.golden.scene import Scene, Subject
from warmbuild.inputs import peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IMAGE: Final = "image=ghcr.io/me/app"
_OF_OTHERS: Final = (*(f"{name}=x" for name in (*peers.NAMES, *peers.REASONS)),)
# The inputs of a scene, `name=value` each; an image is among them unless one is named.
_VALUES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "names": (("imgae=x", "nothing-like-it=x"), _OF_OTHERS),
    "choices": (
        (
            *("cache=of", "cache-backend=x", "cache-export=x", "cache-import=x", "cache-mode=mx"),
            *("driver=x", "ecr=x", "pull=x", "push=x"),
        ),
    ),
    "images and tags": (
        ("image=", "push=true"),
        (
            (
                "image=ghcr.io/me/app:1\nghcr.io/me/app@sha256:1\nhttps://ghcr.io/me/app\n"
                f"ghcr.io/Me App\nghcr.io/\nghcr.io/me/app:a b\nghcr.io/{'a' * 256}"
            ),
        ),
        ('image="ghcr.io/me/app', 'tags="1'),
        ("image=", "tags=1.2"),
        ("image=", "tags=type=sha"),
        ("images=name=ghcr.io/me/app,enabl=true\nghcr.io/me/app,enable=yes", "tags=a b"),
        ("labels=maintainer", "annotations=manifest"),
        ("labels=a={{sah}}", "annotations=a={{date", "tags=type=sha"),
        ("images=name=", "bake-target=a b"),
        (
            *("DOCKER_METADATA_SHORT_SHA_LENGTH=x", "DOCKER_METADATA_PR_HEAD_SHA=perhaps"),
            "DOCKER_METADATA_ANNOTATIONS_LEVELS=manifest,indexx,index[arm64]",
            "DOCKER_METADATA_SET_OUTPUT_ENV=perhaps",
        ),
    ),
    "rules for tags": (
        (
            (
                "tags=type=smver,pattern={{version}}\ntype=semver\n"
                "type=semver,paddern={{version}}\ntype=semver,pattern={{verzion}}\n"
                "type=ref,event=brnch\ntype=sha,format=middle\ntype=sha,priority=high\n"
                "type=sha,enable=perhaps\ntype=match,pattern=v(.*,group=1\n"
                "type=match,pattern=v(.*),group=one\ntype=raw,value={{brnch}}\n"
                "type=raw,value={{1}}\ntype=raw,value={{date 'YYYY' tz='Mars/Olympus'}}\n"
                "type=raw,value={{date 'YYYY' 'MM'}}\ntype=raw,value={{date 'YYYY' zone='UTC'}}\n"
                "type=raw,value={{date 'YYYY' tz=UTC}}\ntype=raw,value={{{sha}}"
            ),
        ),
        ("flavor=latest=perhaps", "tags=type=sha"),
        ("flavor=prefx=v", "tags=type=sha"),
        ("flavor=prefix={{brnch}}", "tags=type=sha"),
    ),
    "the build": (
        (
            *("platforms=amd64", "build-contexts=base\nbase={{context}}", "context={{context}}"),
            *("call=chekk", "add-hosts=example.com", "attests=provenance", "ulimit=1024"),
            "lint-ignore=early-cpy",
        ),
        ("cgroup-parent=x", "cache-backend=azblob", "cache-options=account_url=https://a.b"),
        ("secrets=MINE", "secret-files=MINE", "secret-envs=MY KEY=C"),
        ("labels=a=\udcff", "password=\udcff"),
        (
            *("shm-size=big", "network=brigde", "allow=network.hots", "ulimit=nofile"),
            "outputs=dest=a,x=y\ntype=oci\ntype=lokal,dest=a\ntype=local,a",
            "cache-from=ref\ntype=registy,ref=r.io/a:b\ntype=registry,mode=max\nmode=max",
        ),
    ),
    "bake and compose files": (
        ("bake-files=https://example.com/docker-bake.hcl", "compose-files=-"),
        ("bake-files=b.hcl", "targets=a b", "set=a", "vars=a\nPATH=/bin"),
        ("targets=a", "set=a.b=c", "vars=A=b"),
        ("bake-files=b.hcl", "files=a.hcl", "source=https://example.com/me/app"),
        ("source=https://me:hunter2@example.com/app.git",),
        ("source={{context}}",),
        ("bake-files=b.hcl", "set=a.args.PROXY=http://me:hunter2@proxy"),
        (
            *("bake-files=b.hcl", "context=x", "file=x", "target=x", "cache-from=x"),
            *("cache-to=x", "cache-stages=x", "cgroup-parent=x"),
        ),
    ),
    "logins": (
        ("username=me",),
        ("password=hunter2", "registry=r.io"),
        ("username=me", "registry=123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("username=me", "password=hunter2", "registry=r io"),
        ("username=me", "password=hunter2", "scope=Me App", "ecr=yes"),
        ("scope=me/app",),
        ("registry-auth=registry: r.io",),
        ("registry-auth=- registry: [",),
        ("registry-auth=\x01",),
        (
            (
                "registry-auth=- r.io\n"
                "- {registry: r.io, registry: r.io, username: a, password: b}\n"
                "- {host: r.io, username: a, password: b}\n"
                "- {registry: r.io, username: [a], password: b}\n"
                "- {registry: r.io}\n"
                "- {registry: r.io, username: a}\n"
                "- {registry: a.io, username: a, password: b, scope: A B, ecr: x}"
            ),
        ),
        (
            "registry-auth=- &x\n  registry: r.io\n  username: a\n  password: b\n- *x",
            "username=me",
            "password=hunter2",
        ),
    ),
    "builders": (
        ("builder=1st", "version=latest-and-greatest", "node-platforms=arm64"),
        ("name=1st", "driver-opts=network"),
        ("name=a", "builder=b"),
        (
            *("buildkit-image-mirrors=a b", "qemu-platforms=linux arm64"),
            "qemu-image=Tonistiigi Binfmt",
        ),
        ("driver=remote",),
        ("driver=remote", "endpoint=build.example.com"),
        ("endpoint=a b",),
        ("driver=kubernetes", "endpoint=tcp://build.example.com:1234"),
        (
            *("driver=docker", "keep-state=true", "lazy=true"),
            "append=- endpoint: tcp://a:1",
        ),
        (
            *("driver=remote", "endpoint=tcp://a:1", "buildkitd-flags=--debug"),
            "keep-state=true",
        ),
        (
            *("driver=kubernetes", "keep-state=true"),
            "append=- endpoint: tcp://a:1",
        ),
        ("append=- name: [",),
        ("append=endpoint: tcp://a:1",),
        ("append=- host: a\n- name: 1st\n- driver-opts: [a]\n- platforms: arm64",),
        (
            *("driver=remote", "endpoint=tcp://a:1"),
            "append=- name: b\n- endpoint: a\n- endpoint: tcp://b:1\n  buildkitd-flags: x",
        ),
        ("untrusted-builder=forks",),
        (
            *("driver=remote", "endpoint=tcp://a:1"),
            "untrusted-builder=- name: 1st\n- endpoint: a\n  host: b",
        ),
        (
            *("driver=kubernetes", "builder=a_b", "driver-opts=namespace=ci"),
            "untrusted-builder=name: a-b",
        ),
        ("untrusted-builder=name: warmbuild-0a1b2c3d",),
    ),
    "the log": (("quiet=true", "verbose=true", "log-format=jsno"),),
    "caches": (
        ("cache-repository=r.io/me/app:1",),
        ("cache-repository=r.io/",),
        ("cache-repository=docker.io/me/app/cache",),
        ("cache-repository=europe-docker.pkg.dev/me",),
        (
            *("cache-tag-prefix=-", "cache-scope=a b", "cache-version=a b", "cache-history=10"),
            *("cache-max-age=soon", "cache-timeout=0s"),
        ),
        ("cache-mounts=auto,npm", "cache-mounts-limit=much"),
        ("cache-stages=1st", "cache-backend=inline"),
        ("cache-backend=local",),
        ("cache-dir=/cache", "cache-stages=build"),
        ("cache-backend=gha", "cache-history=2", "cache-max-age=1d", "lazy=true"),
        ("cache-options=compression=zstd", "lazy=true"),
        ("compression=lz4", "lazy=true"),
        ("cache-backend=s3",),
        ("cache-backend=s3", "cache-options=bucket=a\nregion=b\nregoin=c\nx"),
        ("cache-backend=s3", "cache-options=bucket=a\nregion=b\nsecret_access_key=c"),
    ),
}
_LONGEST_TITLE: Final = 100
# Inputs of a build whose files, variables or certificates are not as they say.
_PATHS: Final[tuple[tuple[tuple[str, ...], dict[str, str]], ...]] = (
    (("context=nowhere",), {}),
    (("context=git",), {}),
    (("context=.", "file=nowhere/Containerfile"), {}),
    (("context=empty",), {}),
    (
        (
            *("secret-files=A=/none", "secret-envs=B=NONE", "buildkitd-config=/none.toml"),
            *("output-file=none/out.json", "summary-file=none/summary.md"),
        ),
        {},
    ),
    (("secret-files=A=empty\nB=/dev/null\nC=large", "file=empty"), {}),
    (("output-file=taken", f"summary-file={'a' * 300}", "ssh=default\nb=/none"), {}),
    (("output-file=locked/out.json", "summary-file=empty/locked"), {}),
    (("ssh=default",), {"SSH_AUTH_SOCK": "/none/agent"}),
    (("bake-files=none.hcl", "compose-files=none.yaml"), {}),
    (
        ("driver=remote", "endpoint=tcp://a:1", "append=- endpoint: tcp://b:1"),
        {"BUILDER_NODE_0_AUTH_TLS_CERT": "x", "BUILDER_NODE_1_AUTH_TLS_KEY": "x"},
    ),
)


def _scenes() -> Iterator[Scene]:
    for subject, cases in _VALUES.items():
        for given in cases:
            said = machine.run("plan", env=_env(given))
            yield Scene(title=f"{subject}: {_title(given)}", said=_problems(said))
    for given, env in _PATHS:
        names = (*given, *env)
        files = {
            "Dockerfile": machine.DOCKERFILE,
            "empty/README": "",
            "locked/README": "",
            "empty/locked": "",
        }
        with mock.patch.object(os, "access", _accessible):
            said = machine.run("build", env=_env(given) | env, files=files, prepare=_odd)
        yield Scene(title=f"files of a build: {_title(names)}", said=_problems(said))


def _odd(job: Path) -> None:
    """Make a file of a terabyte that takes no space, and a socket."""
    with (job / "large").open("wb") as file:
        file.truncate(1 << 40)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(job / "taken"))


_access: Final = os.access


def _accessible(path: str | Path, *given: Any, **named: Any) -> bool:  # noqa: ANN401 (those of os)
    """Answer as for a user who is not root."""
    return not str(path).endswith("locked") and _access(path, *given, **named)


def _env(given: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(item.split("=", 1) for item in (_IMAGE, *given))
    return {
        name if name.isupper() else f"INPUT_{name.upper().replace('-', '_')}": value
        for name, value in pairs.items()
    }


def _title(given: tuple[str, ...]) -> str:
    """Return the inputs in one line: with their values, if that is not too long."""
    title = ", ".join(given).encode("unicode_escape").decode()
    names = ", ".join(item.partition("=")[0] for item in given)
    return title if len(title) <= _LONGEST_TITLE else names


def _problems(said: str) -> str:
    """Return the problems without their heading, sorted."""
    head, _, problems = said.partition("\n")
    if "not usable" not in head:
        raise ValueError(f"nothing is wrong with these inputs: {said}")
    return "\n".join(sorted(line.removeprefix("  ") for line in problems.splitlines()))


SUBJECT = Subject(name="inputs", about="Inputs that cannot be used.", scenes=_scenes)
