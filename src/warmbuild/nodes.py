"""The nodes of a builder as they are asked for: the input `append`, platforms, certificates.

As docker/setup-buildx-action has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild import lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    # Takes what is wrong, as a sentence about the input that is read.
    Bad = Callable[[str], None]

# The drivers whose daemon warmbuild starts, and so can give an image, flags and a configuration.
STARTED: Final = ("docker-container", "kubernetes")
_KEYS: Final = ("name", "endpoint", "driver-opts", "buildkitd-flags", "platforms")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_OPTION: Final = re.compile(r"[^=\s]+=.*", re.DOTALL)
_ENDPOINT: Final = re.compile(r"[a-z][a-z0-9+-]*://\S+")
_PLATFORM: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_ARCHITECTURE: Final = re.compile(r"[a-z0-9_]+")
_SAME: Final[Mapping[str, str]] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "amd64/v1": "amd64",
    "arm64/v8": "arm64",
    "arm": "arm/v7",
}
# What a driver calls a file of a login with certificates, by the end of its variable's name.
_FILES: Final[Mapping[str, str]] = {"CACERT": "cacert", "CERT": "cert", "KEY": "key"}
_VARIABLE: Final = re.compile(r"BUILDER_NODE_(\d+)_AUTH_TLS_(CACERT|CERT|KEY)")
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One BuildKit daemon of a builder; an empty name or endpoint leaves it to buildx."""

    name: str = ""
    endpoint: str = ""
    driver_opts: tuple[str, ...] = ()
    flags: str = ""
    platforms: tuple[str, ...] = ()


def read(text: str, driver: str, bad: Bad) -> tuple[Node, ...]:
    """Read the input `append`, a YAML list of nodes; what is wrong goes to `bad`."""
    import yaml  # noqa: PLC0415 (15 ms, for a few)

    try:
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        bad(f"is not YAML{f', at line {mark.line + 1}' if mark else ''}.")
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        bad("is no list of nodes; each one begins with a hyphen, such as - endpoint: tcp://…")
        return ()
    return tuple(_node(number, item, driver, bad) for number, item in enumerate(items, start=1))


def _node(number: int, item: Mapping[object, object], driver: str, bad: Bad) -> Node:
    for key in item:
        if key not in _KEYS:
            bad(f"node {number} has {key!r}; a node has {', '.join(_KEYS)}.")
    name, endpoint = (_text(item.get(key)) for key in ("name", "endpoint"))
    if name and not _NAME.fullmatch(name):
        bad(f"node {number}: {name!r} is no name of a node.")
    if why_not := misfit(driver, endpoint):
        bad(f"node {number}: endpoint {why_not}")
    opts = _listed(item.get("driver-opts"), lists.raw_lines)
    for opt in opts:
        if not _OPTION.fullmatch(opt):
            bad(f"node {number}: {opt!r} is not of the form name=value.")
    platforms = _listed(item.get("platforms"), lists.words)
    for platform in platforms:
        if not _PLATFORM.fullmatch(platform):
            bad(f"node {number}: {platform!r} is no platform; use os/arch, such as linux/arm64.")
    flags = _text(item.get("buildkitd-flags"))
    if flags and driver not in STARTED:
        bad(f"node {number}: buildkitd-flags is of no use, for its daemon runs already.")
    return Node(name=name, endpoint=endpoint, driver_opts=opts, flags=flags, platforms=platforms)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _listed(value: object, split: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """Return the items of a YAML list, or of a text that lists them as inputs do."""
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return split(_text(value))


def misfit(driver: str, endpoint: str) -> str:
    """Say what is wrong with an endpoint for a driver; empty where nothing is."""
    match driver:
        case "remote" if not endpoint:
            return "is missing: the driver remote needs the address of a BuildKit daemon."
        case "remote" if not _ENDPOINT.fullmatch(endpoint):
            return (
                f"{endpoint!r} is no address of a BuildKit daemon; use one such as "
                "tcp://HOST:PORT or unix:///path/to/socket."
            )
        case "docker" | "kubernetes" if endpoint:
            return f"is of no use to the driver {driver}, which has its place already."
    return ""


def platform(text: str) -> str:
    """Return a platform's usual name, of a name such as arm64 or linux/arm64/v8."""
    system, _, machine = (text if "/" in text else f"linux/{text}").partition("/")
    return f"{system}/{_SAME.get(machine, machine)}"


def is_platform(text: str) -> bool:
    """Say whether a text is a platform, or a processor's name alone."""
    return bool(_PLATFORM.fullmatch(text) or _ARCHITECTURE.fullmatch(text))


def unserved(wanted: Iterable[str], served: Iterable[str]) -> tuple[str, ...]:
    """Return the platforms that nothing which is served stands for."""
    known = {platform(one) for one in served}
    return tuple(dict.fromkeys(one for one in map(platform, wanted) if one not in known))


def certificates(env: Mapping[str, str]) -> Mapping[int, Mapping[str, str]]:
    """Return the certificates of the nodes, by the node's number and what the driver calls them."""
    found: dict[int, dict[str, str]] = {}
    for variable, value in env.items():
        named = _VARIABLE.fullmatch(variable)
        if named and value:
            found.setdefault(int(named[1]), {})[_FILES[named[2]]] = value
    return found


def is_certificate(variable: str) -> bool:
    """Say whether a variable is one of the certificates."""
    return bool(_VARIABLE.fullmatch(variable))


def misfits(
    driver: str, endpoints: Sequence[str], found: Mapping[int, Mapping[str, str]]
) -> Mapping[str, str]:
    """Return what is wrong with the certificates, by variable."""
    wrong: dict[str, str] = {}
    for index, files in sorted(found.items()):
        prefix = f"BUILDER_NODE_{index}_AUTH_TLS"
        first = next(f"{prefix}_{end}" for end, name in _FILES.items() if name in files)
        if driver != "remote":
            wrong[first] = f"is of no use to the driver {driver}; the driver remote takes it."
        elif index >= len(endpoints):
            wrong[first] = (
                f"is for node {index}, and there is none: they are counted from 0, and there "
                f"{'is one' if len(endpoints) == 1 else f'are {len(endpoints)}'}."
            )
        elif not endpoints[index].startswith("tcp://"):
            wrong[first] = f"is of no use to {endpoints[index]}; tcp:// is what TLS goes over."
        elif ("cert" in files) != ("key" in files):
            missing = "KEY" if "cert" in files else "CERT"
            wrong[f"{prefix}_{missing}"] = "is missing: a certificate and its key go together."
    return wrong
