"""Plans of one image, by inputs: what is decided and why."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from unittest import mock

from tests.golden import machine
from tests.golden.scene import Scene, Subject
from tests.golden.scenes.ci_systems import github
from warmbuild.commands import images

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUSH: Final = "a push to another branch"
_FORK: Final = "a pull request of a fork"
_EXPLICIT: Final = ("cache-from=type=gha", "cache-to=type=gha\ntype=registry,ref=r.io/me/app:c")
_SEVERAL: Final = "platforms=linux/amd64,linux/arm64"
_NODES: Final = f"{_SEVERAL}; driver=remote; endpoint=tcp://a:1; append=- endpoint: tcp://b:1"

_LOGIN: Final = "- {registry: r.io, username: a, password: hunter2}"
_TWICE: Final = f"{_LOGIN}\n{_LOGIN}"


def _title(event: str, inputs: str, variables: dict[str, str]) -> str:
    given = [inputs, *([] if event == _PUSH else [event]), *variables]
    return ", ".join(given).replace("\n", " ")


# By title: the event on GitHub, inputs, and variables of the environment.
_PLANS: Final[dict[str, tuple[str, tuple[str, ...], dict[str, str]]]] = {
    _title(event, inputs, variables): (event, tuple(inputs.split("; ")), variables)
    for event, inputs, variables in (
        (_PUSH, "cache=off", {}),
        (_PUSH, "cache=read-only", {}),
        (_PUSH, "image=; plan-only=true", {}),
        ("a pull request of a fork", "context=git; tags=type=sha", {}),
        (_PUSH, "cache=write-only", {}),
        ("a merge queue", "cache=read-write", {}),
        (_PUSH, "refresh=true", {}),
        (_PUSH, "no-cache=true", {}),
        (_PUSH, "no-cache-filters=build", {}),
        (_PUSH, "no-cache-filters=build; cache-export=after", {}),
        (_PUSH, "cache-fallback=develop,release", {}),
        (_PUSH, "cache-history=3", {}),
        ("a push of a merge", "cache-trust-merged=true", {}),
        ("a tag", "cache-trust-merged=true", {}),
        (_PUSH, "cache-scope=api; cache-version=2", {}),
        (_PUSH, "cache-repository=r.io/me/cache", {}),
        (_PUSH, "cache-mode=min; cache-export=with", {}),
        (_PUSH, "platforms=linux/arm64", {}),
        (_PUSH, "image=", {}),
        (_PUSH, "image=; cache-repository=r.io/me/cache", {}),
        (_PUSH, "reset=true", {}),
        (_PUSH, "cache=off", {"INPUT_IMAGES_": "x", "INPUT_CONFIG": "x", "INPUT_ZZZZZ": "x"}),
        (_PUSH, _SEVERAL, {}),
        (
            _PUSH,
            _NODES,
            {},
        ),
        (
            _PUSH,
            f"{_NODES}; no-cache-filters=build",
            {},
        ),
        (_PUSH, "cache-backend=inline; cache-stages=build", {}),
        (_PUSH, "cache-backend=inline; push=false", {}),
        (_PUSH, "reproducible=true", {}),
        (_PUSH, "reproducible=true", {"SOURCE_DATE_EPOCH": "7"}),
        (_PUSH, "reproducible=true; provenance=true; sbom=true; cache-backend=inline", {}),
        (_PUSH, "reproducible=true; push=false", {}),
        ("a push of a merge", "reproducible=true", {}),
        (_PUSH, "driver=docker; reproducible=true", {}),
        (_PUSH, "cache-backend=local; cache-dir=.cache", {}),
        ("a pull request of a fork", "cache-backend=local; cache-dir=.cache", {}),
        (_PUSH, "cache-backend=gha", {}),
        (
            _PUSH,
            "cache-backend=gha; cache-scope=api",
            {"ACTIONS_RUNTIME_TOKEN": "t", "ACTIONS_RESULTS_URL": "https://a.b/"},
        ),
        (
            _PUSH,
            "cache-backend=s3; cache-options=bucket=b\nregion=eu-west-1",
            {},
        ),
        (
            _PUSH,
            "cache-backend=azblob; cache-options=account_url=https://a.b",
            {"AZURE_STORAGE_KEY": "hunter2"},
        ),
        (_PUSH, "; ".join(_EXPLICIT), {}),
        ("a pull request of a fork", "; ".join(_EXPLICIT), {}),
        (_PUSH, "image=; outputs=type=local,dest=out", {}),
        (_PUSH, "image=; tags=r.io/me/app:1", {}),
        (_PUSH, "outputs=type=registry", {}),
        (_PUSH, "push=false; load=true", {}),
        (_PUSH, "call=check", {}),
        (_PUSH, "driver=docker", {}),
        (_PUSH, "driver=docker; cache-backend=inline", {}),
        (_PUSH, "driver=kubernetes", {}),
        (_PUSH, "driver=remote; endpoint=tcp://a:1", {}),
        (_PUSH, "builder=mine", {}),
        (_PUSH, "lazy=true", {}),
        (_PUSH, "lazy=true; builder=mine", {}),
        (_PUSH, "lazy=true; driver=remote; endpoint=tcp://a:1", {}),
        (_PUSH, "lazy=true; buildkitd-flags=--oci-worker-snapshotter=native", {}),
        (_PUSH, f"lazy=true; {'; '.join(_EXPLICIT)}", {}),
        (_PUSH, "use=true; install=true; cache-binary=false", {}),
        (_PUSH, "use=true; cleanup=false", {}),
        (_PUSH, "driver=docker; name=mine; driver-opts=a=b; buildkitd-config-inline=[log]", {}),
        (_PUSH, "driver=docker; endpoint=there; buildkitd-flags=x; node-platforms=linux/arm", {}),
        (_PUSH, "driver=remote; endpoint=tcp://a:1; buildkit-image-mirrors=r.io/buildkit:1", {}),
        (_PUSH, "driver=kubernetes; builder-state=memory", {}),
        (_FORK, "driver=remote; endpoint=tcp://a:1", {}),
        (_FORK, "driver=remote; endpoint=tcp://a:1; untrusted-builder=endpoint: tcp://b:1", {}),
        (_PUSH, "driver=remote; endpoint=tcp://a:1; untrusted-builder=endpoint: tcp://b:1", {}),
        (_PUSH, "driver=kubernetes; builder=ci; driver-opts=loadbalance=random", {}),
        (_FORK, "driver=kubernetes; builder=ci", {}),
        (_FORK, "driver=kubernetes; builder=ci; untrusted-builder=name: forks", {}),
        (_FORK, "driver=kubernetes", {"KUBECONFIG": "kubeconfig"}),
        (_FORK, "driver=docker; untrusted-builder=name: forks", {}),
        (_PUSH, "buildkitd-config=a.toml; buildkitd-config-inline=[log]; keep-state=true", {}),
        (_PUSH, "secrets=A=hunter1\nA=hunter2", {}),
        (_PUSH, f"registry-auth={_TWICE}", {}),
        (_PUSH, "qemu-platforms=all", {}),
        (_PUSH, "allow=network.host,security.insecure", {}),
        (_PUSH, "tags=type=semver,pattern={{version}}", {}),
        (_PUSH, "tags=type=semver,pattern={{version}}; push=true", {}),
        (_PUSH, "tags=cache-main", {}),
        ("a tag", "tags=type=semver,pattern={{version}}\ntype=semver,pattern={{major}}", {}),
        (_PUSH, "tags=type=semver,pattern={{version}},value=one\ntype=sha", {}),
        (_PUSH, "tags=type=pep440,pattern={{version}},value=one\ntype=sha", {}),
        (_PUSH, "tags=type=match,pattern=v.*,value=one\ntype=sha", {}),
        (
            _PUSH,
            "tags=type=match,pattern=o.*,group=2,value=one\ntype=sha",
            {},
        ),
        (_PUSH, "tags=type=ref,event=branch,enable={{tag}}\ntype=sha", {}),
        (_PUSH, "flavor=latest=true,prefix=v; tags=one", {}),
        (_PUSH, "images=ghcr.io/me/a\nname=ghcr.io/me/b; image=", {}),
    )
}
# Plans as JSON: a public contract.
_JSON: Final = (
    "cache=read-only",
    "cache-backend=inline; cache-stages=build",
    _title("a pull request of a fork", "; ".join(_EXPLICIT), {}),
    "builder=mine",
)


def _scenes() -> Iterator[Scene]:
    yield Scene(title="a pattern that takes too long", said=_slow())
    for title, (event, inputs, variables) in _PLANS.items():
        said = _plan("text", event, inputs, variables)
        yield Scene(title=title, said=machine.unusual(said, _usual(event)))
    for title in _JSON:
        event, inputs, variables = _PLANS[title]
        yield Scene(title=f"as JSON: {title}", said=_plan("json", event, inputs, variables))


@cache
def _usual(event: str) -> str:
    return _plan("text", event, (), {})


def _plan(format_: str, event: str, inputs: tuple[str, ...], variables: dict[str, str]) -> str:
    env, files = github(event)
    pairs = [item.split("=", 1) for item in ("image=ghcr.io/me/app", *inputs)]
    given = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in pairs}
    argv = ("plan", f"--format={format_}")
    return machine.run(*argv, env=env | variables | given, files=files)


def _slow() -> str:
    """Return what is said of a pattern that takes longer than the age of the universe."""
    env = {"GITHUB_ACTIONS": "true", "GITHUB_REF": f"refs/tags/v{'1' * 60}x"}
    with mock.patch.object(images, "_PATTERN_TIMEOUT", 0.6):
        return machine.run(
            "plan", "--image=r.io/a", "--tags=type=match,pattern=v(1+)+$", env=env, files={}
        )


SUBJECT = Subject(
    name="plans",
    about="Plans of one image: what differs from the plan without these inputs.",
    scenes=_scenes,
)
