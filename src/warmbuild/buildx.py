"""A plan as arguments for buildx, and what buildx says read back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warmbuild import attests, lists
from warmbuild.nodes import STARTED, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from warmbuild.inputs import Secret
    from warmbuild.plan import BuilderPlan, BuildPlan
    from warmbuild.policy import CachePlan

# The first with `--progress=rawjson` a line an event (docker/buildx#2358).
OLDEST: Final = (0, 15, 0)
_PULLING: Final = re.compile(r"^#\d+ pulling image (\S+)", re.MULTILINE)
# How `inspect` prints the options of a driver.
_OPTIONS: Final = "Driver Options"
_OPTION: Final = re.compile(r'(\S+?)="([^"]*)"')
_VERSION: Final = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where buildx writes what it did, and where it finds the secrets that have a value."""

    metadata: str
    iid: str
    secret: Callable[[str], str]


PLACEHOLDERS: Final = Files(
    metadata="<metadata-file>", iid="<iidfile>", secret=lambda key: f"<secret:{key}>"
)


def build(plan: BuildPlan, files: Files) -> tuple[str, ...]:
    """Return the arguments of `buildx` that run the build."""
    flags = (part for flag, value in _flags(plan, files) for part in _flag(flag, value))
    return ("build", "--progress=rawjson", *flags, plan.context)


def _flags(plan: BuildPlan, files: Files) -> tuple[tuple[str, str | bool | Iterable[str]], ...]:
    """Return what each flag is given, in docker/build-push-action's order."""
    from_environment = [secret for secret in plan.secrets if secret.variable]
    from_files = [secret for secret in plan.secrets if not secret.variable]
    return (
        ("--add-host", plan.add_hosts),
        ("--allow", plan.allow),
        ("--annotation", plan.annotations),
        ("--build-arg", plan.build_args),
        ("--build-context", plan.build_contexts),
        ("--cache-from", cache_from(plan.cache)),
        ("--cache-to", cache_to(plan.cache)),
        ("--call", plan.call),
        ("--cgroup-parent", plan.cgroup_parent),
        ("--secret", secrets(from_environment, files)),
        ("--file", plan.file),
        ("--iidfile", files.iid if _has_an_id(plan) else ""),
        ("--label", plan.labels),
        ("--no-cache-filter", plan.no_cache_filters),
        ("--output", plan.outputs),
        ("--platform", ",".join(plan.platforms)),
        ("--attest", plan.attests),
        ("--secret", secrets(from_files, files)),
        ("--shm-size", plan.shm_size),
        ("--ssh", plan.ssh),
        ("--tag", tags(plan)),
        ("--target", plan.target),
        ("--ulimit", plan.ulimit),
        ("--builder", plan.builder.name),
        ("--load", plan.load),
        ("--metadata-file", files.metadata),
        ("--network", plan.network),
        ("--no-cache", plan.no_cache),
        ("--pull", plan.pull),
        ("--push", plan.push),
    )


def _flag(flag: str, value: str | bool | Iterable[str]) -> list[str]:  # noqa: FBT001
    if isinstance(value, bool):
        return [flag] if value else []
    return _maybe(flag, value) if isinstance(value, str) else _each(flag, value)


def _has_an_id(plan: BuildPlan) -> bool:
    """Say whether there is an image to write the ID of; a directory or a tarball is none."""
    return not attests.kinds(plan.outputs) & {"local", "tar"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What `buildx create --bootstrap` says it did.

    `image` is what it wanted to pull, and empty where it did not come so far. One that could not
    be pulled is `local` where buildx took the engine's own copy instead, and says no word of why.
    """

    up: bool
    image: str
    local: bool
    container: bool
    error: str
    output: str

    @property
    def unpulled(self) -> bool:
        """Whether the image was all that was missing."""
        return bool(self.image) and not self.up and not self.container


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a run adds to the plan of its builder.

    `config` is a file, and `endpoint` a context for the first node where the plan has none; both
    may be empty. `certificates` are files, by a node's number and what its driver calls them.
    """

    name: str
    config: str = ""
    endpoint: str = ""
    certificates: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def creation(builder: BuilderPlan, own: Own, *, mirror: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make a builder, one a node; the last one boots them all.

    `mirror` is an image that takes the place of the nodes' own, or empty.
    """
    first = Node(
        endpoint=builder.endpoint or own.endpoint,
        driver_opts=builder.driver_opts,
        flags=builder.flags,
        platforms=builder.platforms,
    )
    commands: list[tuple[str, ...]] = []
    for index, node in enumerate((first, *builder.appended)):
        argv = ["create", "--name", own.name]
        argv += ["--append"] if index else ["--driver", builder.driver]
        argv += _maybe("--node", node.name)
        argv += _each("--driver-opt", node.driver_opts)
        files = own.certificates.get(index, {})
        argv += _each(
            "--driver-opt", (lists.quoted(f"{kind}={path}") for kind, path in files.items())
        )
        # The last one counts.
        argv += _maybe("--driver-opt", f"image={mirror}" if mirror else "")
        argv += _maybe("--buildkitd-flags", node.flags)
        argv += _maybe("--platform", ",".join(node.platforms))
        argv += _maybe("--buildkitd-config", own.config if builder.driver in STARTED else "")
        argv += ["--bootstrap"] if index == len(builder.appended) else []
        commands.append((*argv, node.endpoint) if node.endpoint else tuple(argv))
    return tuple(commands)


def remove(name: str, *, keep_state: bool) -> tuple[str, ...]:
    """Return the arguments that remove a builder with its containers, and with their volumes."""
    return ("rm", "--force", *(["--keep-state"] if keep_state else []), name)


def inspect(name: str, *, bootstrap: bool) -> tuple[str, ...]:
    """Return the arguments that ask for a builder's nodes, which are started for it or not."""
    return ("inspect", *(["--bootstrap"] if bootstrap else []), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A node of a builder as buildx finds it; names as docker/setup-buildx-action has them."""

    name: str
    endpoint: str
    driver_opts: tuple[str, ...]
    status: str
    flags: str
    buildkit: str
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A builder as buildx finds it."""

    name: str = ""
    driver: str = ""
    nodes: tuple[Running, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """What its nodes are for, each once."""
        return tuple(dict.fromkeys(one for node in self.nodes for one in node.platforms))


def inspected(text: str) -> Inspected:
    """Read what `inspect` printed: fields of the builder, then those of each node after a Name."""
    head, _, rest = text.partition("\nNodes:\n")
    found = dict(_field(line) for line in head.splitlines())
    nodes: list[dict[str, str]] = []
    for name, value in map(_field, rest.splitlines()):
        if name == "Name":
            nodes.append({})
        if nodes:
            nodes[-1].setdefault(name, value)
    return Inspected(
        name=found.get("Name", ""),
        driver=found.get("Driver", ""),
        nodes=tuple(map(_running, nodes)),
    )


def _field(line: str) -> tuple[str, str]:
    # What is indented belongs to a list, and is not asked for.
    name, _, value = line.partition(":")
    return name, value.strip()


def _running(fields: Mapping[str, str]) -> Running:
    def value(name: str) -> str:
        return fields.get(name, "")

    # A star marks a platform that was asked for.
    platforms = [one.strip().rstrip("*") for one in value("Platforms").split(",")]
    return Running(
        name=value("Name"),
        endpoint=value("Endpoint"),
        driver_opts=tuple(f"{name}={text}" for name, text in _OPTION.findall(value(_OPTIONS))),
        status=value("Status"),
        flags=value("BuildKit daemon flags"),
        buildkit=value("BuildKit version"),
        platforms=tuple(one for one in platforms if one),
    )


def cache_from(cache: CachePlan) -> tuple[str, ...]:
    """Return what is imported, as `--cache-from` takes it."""
    backend = cache.backend
    # What lies in an image is read as a cache in a registry is; there is no such importer.
    kind = "registry" if backend.name == "inline" else backend.name
    options = [option for option in cache.options if _name_of(option) in backend.options]
    places = [cache.merged] if cache.merged else [read.ref for read in cache.read]
    return (
        *cache.sources,
        *(_entry(f"type={kind}", f"{backend.source}={place}", *options) for place in places),
    )


def cache_to(cache: CachePlan) -> tuple[str, ...]:
    """Return what is exported, as `--cache-to` takes it.

    Every attribute is written out: BuildKit ignores what it does not know, and an export that
    fails without `ignore-error` cancels the push since BuildKit 0.28.
    """
    if cache.write is None:
        return cache.destinations
    backend = cache.backend
    attributes = [f"type={backend.name}"]
    if backend.destination:
        attributes += [f"{backend.destination}={cache.write.ref}", f"mode={cache.mode}"]
        attributes += [*backend.fixed, *cache.options]
    return (*cache.destinations, _entry(*attributes))


def _name_of(option: str) -> str:
    return option.partition("=")[0]


def entry(attributes: Mapping[str, str]) -> str:
    """Write an entry of these attributes as `--cache-from` and `--cache-to` take it."""
    return _entry(*(f"{name}={value}" for name, value in attributes.items()))


def _entry(*attributes: str) -> str:
    """Write one entry of a cache as buildx reads it, which is CSV."""
    return ",".join(map(lists.quoted, attributes))


def error(output: str) -> str:
    """Return the last error that buildx printed, or nothing."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""


def boot(output: str, *, up: bool) -> Boot:
    """Read what `create` printed."""
    pulling = _PULLING.search(output)
    return Boot(
        up=up,
        image=pulling[1] if pulling else "",
        local="using local image " in output,
        container="creating container " in output,
        error=error(output).removeprefix("Error response from daemon: "),
        output=output,
    )


def version(text: str) -> tuple[int, int, int] | None:
    """Read what `buildx version` prints, such as `github.com/docker/buildx v0.36.1 1a2b3c`."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _each(flag: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (flag, value)]


def _maybe(flag: str, value: str) -> list[str]:
    return [flag, value] if value else []


def secrets(given: Iterable[Secret], files: Files) -> tuple[str, ...]:
    """Return build secrets as `--secret` takes them."""
    return tuple(_secret(secret, files) for secret in given)


def tags(plan: BuildPlan) -> tuple[str, ...]:
    """Return the image's references, and the one that its inline cache is found under."""
    write = plan.cache.write if plan.cache.backend.name == "inline" else None
    return (*plan.tags, str(write.ref)) if write else plan.tags


def _secret(secret: Secret, files: Files) -> str:
    if secret.variable:
        return f"id={secret.id},{lists.quoted(f'env={secret.variable}')}"
    source = secret.path or files.secret(secret.id)
    return f"id={secret.id},{lists.quoted(f'src={source}')}"
