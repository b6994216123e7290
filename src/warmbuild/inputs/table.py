"""The one table of inputs.

Names and list syntax are those of docker/build-push-action, docker/setup-buildx-action and
docker/login-action wherever one of them has such an input.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild import platforms, refs
from warmbuild.backends import BACKENDS
from warmbuild.drivers import DRIVERS
from warmbuild.inputs import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.checks import Check


class Kind(Enum):
    """How the text of an input is read; the value is how the docs call it."""

    TEXT = "text"
    BOOLEAN = "true or false"
    WORDS = "list, by newline or comma"
    LINES = "list, by newline"
    RAW_LINES = "list, by newline, quotes kept"
    UNTRIMMED_LINES = "list, by newline, spaces kept"
    NUMBER = "number"
    DURATION = "time, such as 90m, 12h or 7d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One row of the table.

    An input whose field in `Inputs` has its name is read as `kind`, `choices`, `check` and `bounds`
    say, unless `parsing` has a rule of its own for it.
    """

    name: str
    help: str
    kind: Kind = Kind.TEXT
    default: str = ""
    """Value used if the input is omitted; if empty, warmbuild decides, and `help` says how."""
    choices: tuple[str, ...] = ()
    """Texts that are accepted; empty: all are."""
    check: Check | None = None
    """Says what is wrong with the text, or with an item of the list."""
    bounds: tuple[int, int] = (0, 0)
    """Least and greatest number that is accepted."""
    secret: bool = False
    """Never shown, and no flag."""
    may_hold_secrets: bool = False
    """Shown in no message about it, for an attribute in it may be secret."""
    action_default: str = ""
    """Default that only GitHub can fill in."""

    @property
    def field(self) -> str:
        """The name of its field in `Inputs`, or in `Passed`."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passthrough(Input):
    """A flag of buildx that is passed on as it was given; its typed field is in `Passed`.

    In a bake definition, the items of a list are added to what a file says, and a single value
    takes the place of the file's.
    """

    flag: str
    """Flag of `buildx build`, given once for each item."""
    bake_key: str = ""
    """Key of a target in a bake definition; empty if bake has none, which excludes bake."""
    separators: str = ""
    """Characters of which one separates name and value, if the key holds a mapping."""


DEFAULT_BUILDKIT_IMAGE: Final = "moby/buildkit:v0.32.2"
# The lint rules; each is a module of lint/rules, which this module does not have to load.
LINT_RULES: Final = (
    "secret-build-arg",
    "early-arg",
    "early-copy",
    "dockerignore",
    "file-modes",
    "cache-mount",
    "mode-min",
    "cache-from-only",
)
_PLATFORM: Final = checks.matches(platforms.PATTERN.pattern, "use os/arch, such as linux/amd64")
_SCOPE: Final = checks.matches(r"[A-Za-z0-9._/-]+", "use letters, digits and . _ / -")
TABLE: Final[tuple[Input, ...]] = (
    # What is built.
    Input(
        name="image",
        kind=Kind.WORDS,
        help="Image repositories to build for, such as ghcr.io/me/app.",
    ),
    Input(
        name="tags",
        kind=Kind.WORDS,
        help="Tag names, full references, or rules of docker/metadata-action (type=semver,"
        "pattern={{version}}), one a line. Default: the branch, the git tag or pr-N, and latest on "
        "the default branch.",
    ),
    # What it is called, as docker/metadata-action does it.
    Input(
        name="images",
        kind=Kind.LINES,
        help="The same as image, one a line, with name= and enable= if need be. Tags and labels "
        "are those of docker/metadata-action then.",
    ),
    Input(
        name="flavor",
        kind=Kind.LINES,
        help="What holds for all tags: latest=auto|true|false, prefix=, suffix=, each of the two "
        "with onlatest=true for latest too.",
    ),
    Input(
        name="annotations",
        kind=Kind.LINES,
        help="Annotations of the image, name=value, with a level such as index: before if need be.",
    ),
    Input(
        name="context",
        help="Build context: a directory or a git URL. {{defaultContext}} in it is the default. "
        "Default: on GitHub the commit as git has it, without what the job changed or made; "
        "elsewhere the current directory.",
    ),
    Input(name="file", help="Dockerfile. Default: Dockerfile in the context."),
    Input(name="target", help="Stage to build. Default: the last one."),
    Input(
        name="platforms",
        kind=Kind.WORDS,
        help="Target platforms, such as linux/amd64. Default: the builder's own.",
        check=_PLATFORM,
    ),
    Input(name="build-args", kind=Kind.LINES, help="Build arguments, NAME=value."),
    Input(name="labels", kind=Kind.LINES, help="Labels of the image, name=value."),
    Input(
        name="secrets",
        kind=Kind.UNTRIMMED_LINES,
        secret=True,
        help="Build secrets, ID=value.",
    ),
    Input(name="secret-files", kind=Kind.LINES, help="Build secrets from files, ID=path."),
    Input(
        name="secret-envs",
        kind=Kind.WORDS,
        help="Build secrets from environment variables, ID=VARIABLE.",
    ),
    Input(
        name="push",
        kind=Kind.BOOLEAN,
        help="Push the image. Default: true in CI, false on a laptop and for untrusted code.",
    ),
    Input(
        name="load",
        kind=Kind.BOOLEAN,
        help="Load the image into the Docker engine. Default: true on a laptop that does not push.",
    ),
    Input(name="pull", kind=Kind.BOOLEAN, default="false", help="Ask for newer base images."),
    Input(
        name="no-cache",
        kind=Kind.BOOLEAN,
        default="false",
        help="Run every step, and write a fresh cache.",
    ),
    Input(
        name="no-cache-filters",
        kind=Kind.WORDS,
        help="Stages whose steps run in any case.",
    ),
    Input(
        name="provenance",
        help="Provenance attestation: true, false or attributes such as mode=max. "
        "Default: on GitHub mode=max, and mode=min where the repository is private; elsewhere as "
        "buildx does it.",
    ),
    Input(
        name="sbom",
        help="SBOM attestation: true, false or attributes such as generator=IMAGE. Default: none.",
    ),
    Input(
        name="github-token",
        secret=True,
        action_default="${{ github.token }}",
        help="Token for a git context on GitHub, and for ghcr.io when no password is given.",
    ),
    # The rest of docker/build-push-action.
    Passthrough(
        name="add-hosts",
        kind=Kind.WORDS,
        help="Hosts that the build's commands know, NAME:IP.",
        check=checks.matches(r"[^:=\s]+[:=]\S+", "use NAME:IP"),
        flag="--add-host",
        bake_key="extra-hosts",
        separators=":=",
    ),
    Passthrough(
        name="allow",
        kind=Kind.WORDS,
        help="Entitlements of the build, such as network.host.",
        flag="--allow",
        bake_key="entitlements",
    ),
    Input(
        name="attests",
        kind=Kind.LINES,
        help="Attestations, such as type=sbom,generator=IMAGE; the inputs provenance and sbom win "
        "over those of their type.",
        check=checks.matches(r".*\btype=.+", "use type=provenance or type=sbom"),
    ),
    Input(
        name="build-contexts",
        kind=Kind.LINES,
        help="Further contexts, NAME=directory, image or URL; {{defaultContext}} in one is what "
        "context is by default.",
        check=checks.matches(r"[^=\s]+=.*", "use NAME=directory, image or URL"),
    ),
    Input(
        name="call",
        help="What is done in the place of a build: check, outline or targets. No image is made, "
        "and no cache is written.",
        check=checks.call,
    ),
    Passthrough(
        name="cgroup-parent",
        help="Parent cgroup of the build's commands.",
        flag="--cgroup-parent",
    ),
    Passthrough(
        name="network",
        help="Network of the build's commands: default, host or none.",
        flag="--network",
        bake_key="network",
    ),
    Input(
        name="outputs",
        kind=Kind.RAW_LINES,
        help="Where the result goes, such as type=local,dest=DIRECTORY; the image is pushed as "
        "well where push says so.",
    ),
    Passthrough(
        name="shm-size",
        help="Size of /dev/shm for the build's commands, such as 128m.",
        flag="--shm-size",
        bake_key="shm-size",
    ),
    Passthrough(
        name="ssh",
        kind=Kind.WORDS,
        help="SSH agents or keys that steps may use, such as default or ID=path.",
        flag="--ssh",
        bake_key="ssh",
    ),
    Passthrough(
        name="ulimit",
        kind=Kind.LINES,
        help="Limits of the build's commands, NAME=soft:hard.",
        check=checks.matches(r"[^=\s]+=.*", "use NAME=soft:hard"),
        flag="--ulimit",
        bake_key="ulimits",
    ),
    # Several images, of a bake or compose file.
    Input(
        name="bake-files",
        kind=Kind.WORDS,
        help="Bake definitions (HCL or JSON); every target is built by one run, with a cache of "
        "its own.",
        check=checks.checkout_file,
    ),
    Input(
        name="compose-files",
        kind=Kind.WORDS,
        help="Compose files whose services are built like the targets of bake-files.",
        check=checks.checkout_file,
    ),
    Input(
        name="targets",
        kind=Kind.WORDS,
        help="Targets, groups or services to build. Default: the group default, or every service.",
        # buildx makes `_` of the dots of a service's name.
        check=checks.matches(r"[A-Za-z0-9_.-]+", "use the name of a target, group or service"),
    ),
    Input(
        name="set",
        kind=Kind.RAW_LINES,
        help="Values laid over those of targets, TARGET.key=value.",
        check=checks.matches(r"[^.=]+\.[^=]+=.*", "use TARGET.key=value"),
        may_hold_secrets=True,
    ),
    Input(
        name="vars",
        kind=Kind.RAW_LINES,
        help="Values of the files' variables, NAME=value.",
        may_hold_secrets=True,
    ),
    # Where it goes.
    Input(
        name="registry",
        help="Registry to log in to. Default: the one of the first image.",
    ),
    Input(
        name="username",
        help="User name for the registry. Default: the one that the registry's tokens go with.",
    ),
    Input(name="password", secret=True, help="Password or token for the registry."),
    Input(
        name="registry-auth",
        secret=True,
        help="Logins for several registries: a YAML list of registry, username, password, scope "
        "and ecr.",
    ),
    Input(
        name="ecr",
        default="auto",
        choices=("auto", "true", "false"),
        help="Whether the registry is Amazon's and wants a token of AWS; auto tells by its host.",
    ),
    Input(
        name="scope",
        help="What the login is for: PATH, PATH@push or @push. Default: all of the registry.",
    ),
    Input(
        name="logout",
        kind=Kind.BOOLEAN,
        default="true",
        help="Keep the logins for this run; false leaves them in the Docker configuration of the "
        "machine, or of the container that this runs in.",
    ),
    # What builds it: docker/setup-buildx-action and docker/setup-qemu-action.
    Input(
        name="builder",
        help="Builder to use; one that is there stays, one that is not is made. "
        "Default: a builder of this run.",
        check=checks.builder,
    ),
    Input(
        name="name",
        help="The same as builder, as docker/setup-buildx-action calls it.",
        check=checks.builder,
    ),
    Input(
        name="version",
        help="Version of buildx, such as 0.36.1: the run fails where another one is there. "
        "Nothing is downloaded.",
    ),
    Input(
        name="driver",
        default="docker-container",
        choices=tuple(DRIVERS),
        help="Driver of the builder: a container that is made, the engine's own BuildKit, daemons "
        "that run already, or pods.",
    ),
    Input(
        name="driver-opts",
        kind=Kind.RAW_LINES,
        help="Options of the driver, such as network=host or image=REF. "
        f"Default where a daemon is started: image={DEFAULT_BUILDKIT_IMAGE}.",
        check=checks.matches(r"[^=\s]+=.*", "use name=value"),
    ),
    Input(
        name="endpoint",
        help="Where the builder is: for remote the address of a BuildKit daemon, such as "
        "tcp://HOST:1234, else a Docker context or an engine's address.",
    ),
    Input(
        name="node-platforms",
        kind=Kind.WORDS,
        help="Platforms that the builder's node is for, whatever it says; "
        "docker/setup-buildx-action calls them platforms.",
        check=_PLATFORM,
    ),
    Input(
        name="append",
        help="Further nodes of the builder: a YAML list of name, endpoint, driver-opts, "
        "buildkitd-flags and platforms.",
    ),
    Input(
        name="buildkit-image-mirrors",
        kind=Kind.WORDS,
        help="BuildKit images to try, in this order, where the driver's own cannot be pulled.",
        check=checks.image,
    ),
    Input(
        name="buildkitd-flags",
        help="Flags of the BuildKit daemon. Default: the entitlements that allow asks for.",
    ),
    Input(name="buildkitd-config", help="Configuration file (TOML) of the BuildKit daemon."),
    Input(
        name="buildkitd-config-inline",
        help="Configuration (TOML) of the BuildKit daemon, as text.",
    ),
    Input(
        name="keep-state",
        kind=Kind.BOOLEAN,
        default="false",
        help="Keep what the builder has in its volume when it is removed, for the next one of its "
        "name.",
    ),
    Input(
        name="cleanup",
        kind=Kind.BOOLEAN,
        default="true",
        help="Remove the builder that this run made.",
    ),
    Input(
        name="use",
        kind=Kind.BOOLEAN,
        help="Does nothing: the builder is this run's own, and no other step's.",
    ),
    Input(
        name="install",
        kind=Kind.BOOLEAN,
        help="Does nothing: docker build stays as it is.",
    ),
    Input(
        name="cache-binary",
        kind=Kind.BOOLEAN,
        help="Does nothing: no buildx is downloaded.",
    ),
    Input(
        name="qemu-platforms",
        kind=Kind.WORDS,
        help="Platforms to emulate where no node of the builder serves them, such as arm64; all "
        "stands for those that platforms asks for. Default: none.",
        check=checks.platform_or_processor,
    ),
    Input(
        name="qemu-image",
        default="docker.io/tonistiigi/binfmt:latest",
        help="Image that tells the engine's kernel of emulators; it runs privileged.",
        check=checks.image,
    ),
    # The cache.
    Input(
        name="cache",
        default="auto",
        choices=("auto", "read-write", "read-only", "write-only", "off"),
        help="What is done with the cache; auto decides by event and trust.",
    ),
    Input(
        name="cache-backend",
        default="registry",
        choices=tuple(BACKENDS),
        help="Where the cache is kept.",
    ),
    Input(
        name="cache-options",
        kind=Kind.WORDS,
        help="Further attributes of the backend, such as bucket=NAME or compression=zstd.",
        may_hold_secrets=True,
    ),
    Input(
        name="cache-dir",
        help="Directory of the backend local, one that the CI system saves and restores.",
    ),
    Input(
        name="cache-stages",
        kind=Kind.WORDS,
        help="Stages that the backend inline pushes as cache images of their own.",
        # As BuildKit's Dockerfile parser takes the name of a stage.
        check=checks.matches(r"[A-Za-z][A-Za-z0-9._-]*", "use the name of a stage"),
    ),
    Input(
        name="cache-repository",
        help="Repository of the cache refs. Default: the first image's own.",
    ),
    Input(
        name="cache-tag-prefix",
        default="cache-",
        help="What the tags of cache refs begin with.",
        check=checks.tag_prefix,
    ),
    Input(
        name="cache-scope",
        help="Keeps caches apart that share a repository: one a Dockerfile or matrix job.",
        check=_SCOPE,
    ),
    Input(
        name="cache-version",
        help="Another value starts with an empty cache.",
        check=_SCOPE,
    ),
    Input(
        name="cache-mode",
        default="max",
        choices=("max", "min"),
        help="Layers that are written: of all stages, or of the final one only.",
    ),
    Input(
        name="cache-fallback",
        kind=Kind.WORDS,
        help="Branches whose cache is read before the default branch's.",
    ),
    Input(
        name="cache-import",
        default="auto",
        choices=("auto", "first", "union"),
        help="Read the nearest branch's cache and every farther one that does not contradict it, "
        "the nearest alone, or all.",
    ),
    Input(
        name="cache-export",
        default="after",
        choices=("after", "with"),
        help="Write the cache when the image is out, or beside it.",
    ),
    Input(
        name="cache-history",
        kind=Kind.NUMBER,
        default="1",
        help="Generations of a branch's cache that are kept and read, so that a revert is warm.",
        bounds=(1, refs.MOST_GENERATIONS),
    ),
    Input(
        name="cache-max-age",
        kind=Kind.DURATION,
        help="Age, such as 7d, at which a cache is not read, and all is built anew on new base "
        "images. Default: no limit.",
    ),
    Input(
        name="cache-timeout",
        kind=Kind.DURATION,
        default="10m",
        help="How long the export of the cache may be silent before it is given up; its import gets"
        " 30 seconds at most.",
    ),
    Input(
        name="cache-strict",
        kind=Kind.BOOLEAN,
        default="false",
        help="Fail, once the image is out, when the cache could not be read or written.",
    ),
    Input(
        name="refresh",
        kind=Kind.BOOLEAN,
        default="false",
        help="Read no cache, ask for newer base images, and write a fresh cache.",
    ),
    Input(
        name="cache-from",
        kind=Kind.LINES,
        help="Cache sources as buildx takes them; replaces the automatic refs.",
        may_hold_secrets=True,
    ),
    Input(
        name="cache-to",
        kind=Kind.LINES,
        help="Cache destinations as buildx takes them; replaces the automatic ref.",
        may_hold_secrets=True,
    ),
    Input(
        name="branch",
        help="The branch that is built. Default: as the CI system or git says, "
        "which a detached checkout does not.",
    ),
    Input(
        name="default-branch",
        help="The default branch. Default: as the CI system or git says.",
    ),
    # The sources.
    Input(
        name="lint",
        kind=Kind.BOOLEAN,
        default="true",
        help="Warn of what defeats the cache or leaks into it.",
    ),
    Input(
        name="lint-ignore",
        kind=Kind.WORDS,
        help=f"Rules that warn of nothing: {', '.join(LINT_RULES)}.",
        check=checks.among(LINT_RULES, "rule's name"),
    ),
    Input(
        name="normalize-modes",
        kind=Kind.BOOLEAN,
        default="false",
        help="Set the files that git tracks to 644 or 755, and their directories to 755.",
    ),
    # The decisions alone.
    Input(
        name="plan-only",
        kind=Kind.BOOLEAN,
        default="false",
        help="Build nothing; hand on cache-from, cache-to and bake-file as outputs.",
    ),
    Input(
        name="probe",
        kind=Kind.BOOLEAN,
        default="false",
        help="Ask the registry which cache refs exist before they are handed on; a build always "
        "does.",
    ),
    # What is left behind.
    Input(name="output-file", help="File that gets the outputs as JSON."),
    Input(
        name="summary-file",
        help="File that gets the Markdown summary. Default: the step summary on GitHub, "
        "warmbuild-summary.md in the temporary directory elsewhere.",
    ),
)
BY_NAME: Final[Mapping[str, Input]] = {row.name: row for row in TABLE}
PASSED: Final = tuple(row for row in TABLE if isinstance(row, Passthrough))


def variable(name: str) -> str:
    """Return the environment variable of an input that a shell can set."""
    return f"INPUT_{name.upper().replace('-', '_')}"
