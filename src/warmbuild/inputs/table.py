"""The one table of inputs.

Names and list syntax are those of docker/build-push-action, docker/setup-buildx-action and
docker/login-action, if one of them has such an input.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild import platforms, refs
from warmbuild.backends import BACKENDS
from warmbuild.drivers import DRIVERS
from warmbuild.inputs import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.checks import Check


_OF_METADATA: Final = "DOCKER_METADATA_"


class Kind(Enum):
    """How the text of an input is read; the value is its name in the docs."""

    TEXT = "text"
    RAW_TEXT = "text, spaces kept"
    BOOLEAN = "true or false"
    WORDS = "list, separated by newlines or commas"
    LINES = "list, one item per line"
    RAW_LINES = "list, one item per line, quotes kept"
    UNTRIMMED_LINES = "list, one item per line, spaces kept"
    NUMBER = "number"
    DURATION = "duration, such as 90m, 12h or 7d"
    SIZE = "size, such as 500MB or 2GB"


@dataclass(frozen=True, slots=True)
class Input:
    """One row of the table.

    `kind`, `choices`, `check` and `bounds` define how an input is read if its field in `Inputs` has
    its name, unless `parsing` has a rule for it.
    """

    help: str
    kind: Kind = Kind.TEXT
    _: KW_ONLY
    name: str = ""  # key of the row, filled in below
    default: str = ""
    """Value used if the input is omitted; if empty, warmbuild decides, and `help` says how."""
    choices: tuple[str, ...] = ()  # accepted texts; empty: all
    check: Check | None = None  # for the text, or for each item of the list
    bounds: tuple[int, int] = (0, 0)  # least and greatest number
    secret: bool = False  # never shown, and not a flag
    may_hold_secrets: bool = False  # not quoted in messages: an attribute may be secret
    action_default: str = ""  # default that only GitHub can fill in

    @property
    def field(self) -> str:
        """The name of its field in `Inputs`, or in `Passed`."""
        return self.name.removeprefix(_OF_METADATA).lower().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Switch(Input):
    """An input that is either true or false; false if it is omitted, unless the row differs."""

    kind: Kind = Kind.BOOLEAN
    _: KW_ONLY
    default: str = "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passthrough(Input):
    """A flag of buildx that is passed on unchanged; its typed field is in `Passed`.

    In a bake definition, list items are added to those of the file, and a single value replaces the
    file's.
    """

    flag: str  # of `buildx build`, repeated for each item
    bake_key: str = ""
    """Key of a target in a bake definition; empty if bake has none, which excludes bake."""
    separators: str = ""  # between name and value, if the key holds a mapping


DEFAULT_BUILDKIT_IMAGE: Final = "moby/buildkit:v0.34.2"
# It runs privileged, so the registry must not be able to give it another content.
DEFAULT_QEMU_IMAGE: Final = (
    "docker.io/tonistiigi/binfmt:qemu-v10.2.3-68"
    "@sha256:400a4873b838d1b89194d982c45e5fb3cda4593fbfd7e08a02e76b03b21166f0"
)
# The lint rules; each is a module of lint/rules, which this module need not import.
LINT_RULES: Final = (
    *("secret-build-arg", "early-arg", "early-copy", "dockerignore"),
    *("file-modes", "cache-mount", "mode-min", "cache-from-only", "copy-link"),
    "newest-version",
)
_SCOPE: Final = checks.matches(r"[A-Za-z0-9._/-]+", "use letters, digits and . _ / -")
_ROWS: Final[Mapping[str, Input]] = {
    # What is built.
    "image": Input(
        "Repositories of the image, such as ghcr.io/me/app. Default: on GitLab the project's own.",
        Kind.WORDS,
    ),
    "tags": Input(
        "Tag names, full references or docker/metadata-action rules "
        "(type=semver,pattern={{version}}, one per line). Default: the branch, the git tag or "
        "pr-N, and latest on the default branch.",
        Kind.WORDS,
    ),
    # How it is named, as in docker/metadata-action.
    "images": Input(
        "As image, in the syntax of docker/metadata-action (name=, enable=). If set, tags and "
        "labels default to those of docker/metadata-action.",
        Kind.LINES,
    ),
    "flavor": Input(
        "Settings for all tags: latest=auto|true|false, prefix=, suffix=; onlatest=true after a "
        "prefix or suffix applies it to latest too.",
        Kind.LINES,
    ),
    "annotations": Input(
        "Annotations of the image, name=value, optionally with a level, such as index:name=value.",
        Kind.LINES,
    ),
    "sep-tags": Input(
        "What separates the items of the outputs tags and tag-names. Default: a newline, but in "
        "tags a comma if no rule makes them.",
        Kind.RAW_TEXT,
    ),
    "sep-labels": Input(
        "What separates the items of the output labels. Default: a newline.", Kind.RAW_TEXT
    ),
    "sep-annotations": Input(
        "What separates the items of the output annotations. Default: a newline.", Kind.RAW_TEXT
    ),
    "bake-target": Input(
        "Name of the target that holds tags, labels and annotations: in the definitions of the "
        "output bake-file, and in bake-files, whose targets inherit it for the tags of the run.",
        default="docker-metadata-action",
        check=checks.matches(r"[A-Za-z0-9_][A-Za-z0-9_-]*", "use letters, digits and _ -"),
    ),
    "context": Input(
        "Build context: a directory or a git URL; {{defaultContext}} inserts the default. If no "
        "directory is called so, git builds the checkout and names the image by its HEAD, and "
        "workflow is the default, as in docker/metadata-action. "
        "Default: on GitHub the commit as stored in git, without files that the job changed or "
        "created; elsewhere the current directory."
    ),
    "file": Input("Path of the Dockerfile. Default: Dockerfile in the context."),
    "target": Input("Stage to build. Default: the last stage."),
    "platforms": Input(
        "Platforms to build for, such as linux/amd64. Default: the builder's own.",
        Kind.WORDS,
        check=checks.platform,
    ),
    "build-args": Input("Build arguments, NAME=value.", Kind.LINES),
    "labels": Input("Labels of the image, name=value.", Kind.LINES),
    "secrets": Input("Build secrets, ID=value.", Kind.UNTRIMMED_LINES, secret=True),
    "secret-files": Input("Build secrets from files, ID=path.", Kind.LINES),
    "secret-envs": Input("Build secrets from environment variables, ID=VARIABLE.", Kind.WORDS),
    "push": Input(
        "Push the image. Default: true in CI, false in local runs, for untrusted code, if outputs "
        "is set, and if neither image nor tags names the image.",
        Kind.BOOLEAN,
    ),
    "load": Input(
        "Load the image into the Docker engine. Default: true in local runs that do not push and "
        "whose image has a name.",
        Kind.BOOLEAN,
    ),
    "pull": Switch("Pull newer base images, even if older ones are available locally."),
    "no-cache": Switch("Run every step without the cache, and write a fresh cache."),
    "no-cache-filters": Input("Stages to build without the cache.", Kind.WORDS),
    "provenance": Input(
        "Provenance attestation: true, false or attributes such as mode=max. Default: on GitHub "
        "mode=max for public repositories and mode=min for others; elsewhere as in buildx."
    ),
    "sbom": Input(
        "SBOM attestation: true, false or attributes such as generator=IMAGE. Default: none."
    ),
    "reproducible": Switch(
        "Give builds of one commit the same digest: what they make has no time after the commit, "
        "or after 1970 if that of the commit is unknown. SOURCE_DATE_EPOCH in build-args or in the "
        "environment takes precedence. There is no provenance by default."
    ),
    "github-token": Input(
        "Token for git contexts on GitHub, and for ghcr.io if password is omitted.",
        secret=True,
        action_default="${{ github.token }}",
    ),
    # The other inputs of docker/build-push-action.
    "add-hosts": Passthrough(
        "Additional host names for RUN instructions, NAME:IP.",
        Kind.WORDS,
        check=checks.matches(r"[^:=\s]+[:=]\S+", "use NAME:IP"),
        flag="--add-host",
        bake_key="extra-hosts",
        separators=":=",
    ),
    "allow": Passthrough(
        "Entitlements to grant to the build, such as network.host.",
        Kind.WORDS,
        check=checks.entitlement,
        flag="--allow",
        bake_key="entitlements",
    ),
    "attests": Input(
        "Attestations, such as type=sbom,generator=IMAGE. The inputs provenance and sbom override "
        "entries of their type.",
        Kind.LINES,
        check=checks.matches(r".*\btype=.+", "use type=provenance or type=sbom"),
    ),
    "build-contexts": Input(
        "Additional build contexts, NAME=directory, image or URL; {{defaultContext}} inserts the "
        "default of context.",
        Kind.LINES,
        check=checks.matches(r"[^=\s]+=.*", "use NAME=directory, image or URL"),
    ),
    "call": Input(
        "What to do instead of a build: check, outline or targets. No cache is written. Applies "
        "to every target of a bake or compose file.",
        check=checks.call,
    ),
    "cgroup-parent": Passthrough("Parent cgroup of RUN instructions.", flag="--cgroup-parent"),
    "network": Passthrough(
        "Network mode of RUN instructions: default, host or none.",
        check=checks.network,
        flag="--network",
        bake_key="network",
    ),
    "outputs": Input(
        "Where to export the result, such as type=local,dest=DIRECTORY. Set push to true to push "
        "the image as well.",
        Kind.RAW_LINES,
        check=checks.output,
    ),
    "shm-size": Passthrough(
        "Size of /dev/shm for RUN instructions, such as 128m.",
        check=checks.size,
        flag="--shm-size",
        bake_key="shm-size",
    ),
    "ssh": Passthrough(
        "SSH agents or keys that the build may use, such as default or ID=path.",
        Kind.WORDS,
        flag="--ssh",
        bake_key="ssh",
    ),
    "ulimit": Passthrough(
        "Resource limits of RUN instructions, NAME=soft:hard.",
        Kind.LINES,
        check=checks.matches(r"[^=\s]+=.*", "use NAME=soft:hard"),
        flag="--ulimit",
        bake_key="ulimits",
    ),
    # Several images, from a bake or compose file.
    "bake-files": Input(
        "Bake definitions (HCL or JSON). One run builds all targets, each with its own cache. "
        "Default: if targets, set, vars or source is given, every file with a usual name, such as "
        "docker-bake.hcl and compose.yaml.",
        Kind.WORDS,
        check=checks.definition_file,
    ),
    "files": Input(
        "Alias of bake-files, as in docker/bake-action.", Kind.WORDS, check=checks.definition_file
    ),
    "compose-files": Input(
        "Compose files, whose services are built like the targets of bake-files.",
        Kind.WORDS,
        check=checks.definition_file,
    ),
    "source": Input(
        "Where bake-files and compose-files are, and what their paths are relative to: a directory "
        "or a git URL; {{defaultContext}} inserts the default of context. Default: the current "
        "directory.",
        check=checks.source,
    ),
    "targets": Input(
        "Targets, groups or services to build. Default: the group default, or every service.",
        Kind.WORDS,
        # buildx replaces the dots in a service's name with underscores.
        check=checks.matches(
            r"[A-Za-z0-9_.][A-Za-z0-9_.-]*", "use the name of a target, group or service"
        ),
    ),
    "set": Input(
        "Overrides of the targets' attributes, TARGET.key=value.",
        Kind.RAW_LINES,
        check=checks.override,
        may_hold_secrets=True,
    ),
    "vars": Input(
        "Values for variables of the files, NAME=value.",
        Kind.RAW_LINES,
        check=checks.variable,
        may_hold_secrets=True,
    ),
    # Where it goes.
    "registry": Input("Registry to log in to. Default: the registry of the first image."),
    "username": Input(
        "User name for the registry. Default: the one that the registry requires for its tokens."
    ),
    "password": Input("Password or token for the registry.", secret=True),
    "registry-auth": Input(
        "Logins for several registries: a YAML list of registry, username, password, scope, ecr.",
        secret=True,
    ),
    "ecr": Input(
        "Whether the registry is Amazon ECR and needs an AWS token; auto detects it by its host.",
        default="auto",
        choices=("auto", "true", "false"),
    ),
    "scope": Input(
        "What the login is used for: PATH, PATH@push or @push. Default: the whole registry."
    ),
    "logout": Switch(
        "Use the logins in this run only. If false, they stay in the Docker configuration of the "
        "machine or container in which warmbuild runs.",
        default="true",
    ),
    # What builds it: docker/setup-buildx-action and docker/setup-qemu-action.
    "builder": Input(
        "Builder to use. An existing builder is reused and kept; a missing one is created. "
        "Default: a new builder for this run.",
        check=checks.builder,
    ),
    "name": Input("Alias of builder, as in docker/setup-buildx-action.", check=checks.builder),
    "version": Input(
        "Required version of buildx, such as 0.38.2. The run fails if another version is "
        "installed; nothing is downloaded."
    ),
    "driver": Input(
        "Driver of the builder: docker-container creates a container, docker uses the engine's "
        "own BuildKit, remote connects to running daemons, and kubernetes creates pods.",
        default="docker-container",
        choices=tuple(DRIVERS),
    ),
    "driver-opts": Input(
        "Options of the driver, such as network=host or image=REF. Default: "
        f"image={DEFAULT_BUILDKIT_IMAGE}, if the driver starts a daemon.",
        Kind.RAW_LINES,
        check=checks.pair,
    ),
    "endpoint": Input(
        "Endpoint of the builder: for driver remote the address of a BuildKit daemon, such as "
        "tcp://HOST:1234; otherwise a Docker context or the address of an engine."
    ),
    "node-platforms": Input(
        "Platforms of the builder's node, instead of those it reports (platforms in "
        "docker/setup-buildx-action).",
        Kind.WORDS,
        check=checks.platform,
    ),
    "append": Input(
        "Additional nodes of the builder: a YAML list of name, endpoint, driver-opts, "
        "buildkitd-flags and platforms."
    ),
    "untrusted-builder": Input(
        "Builder of the runs that are not trusted, such as those of forks, in place of builder, "
        "endpoint, driver-opts, node-platforms and append: the same keys as in append, in YAML, or "
        "a list for several nodes. Without it, such a run is refused if the driver is remote, or "
        "if it is kubernetes and the builder has a name."
    ),
    "buildkit-image-mirrors": Input(
        "BuildKit images to try, in this order, if the driver's own image cannot be pulled.",
        Kind.WORDS,
        check=checks.image,
    ),
    "buildkitd-flags": Input(
        "Flags of the BuildKit daemon. Default: flags for the entitlements listed in allow."
    ),
    "buildkitd-config": Input("Path of a configuration file (TOML) for the BuildKit daemon."),
    "buildkitd-config-inline": Input(
        "Configuration (TOML) for the BuildKit daemon, as text.", Kind.RAW_TEXT
    ),
    "builder-state": Input(
        "Where a builder of this run keeps its state: in memory if the caches fit into half of "
        "what is free and the engine runs on this machine (auto), always there if possible "
        "(memory), or on the engine's disk (disk).",
        default="auto",
        choices=("auto", "disk", "memory"),
    ),
    "keep-state": Switch(
        "Keep the builder's state when it is removed, for the next builder of the same name."
    ),
    "cleanup": Switch(
        "Remove the builder at the end of the run if the run created it. A builder with a name "
        "is removed by the last of the runs that share it. If false, later steps can use it by the "
        "output name.",
        default="true",
    ),
    "lazy": Switch(
        "Write the cache and the image as eStargz, and have the builder of this run fetch of a "
        "cached layer only what a step reads. Pays if the steps after an edit read little of what "
        "they build on, such as COPY. No effect if files are copied from another stage."
    ),
    "compression": Input(
        "Compression of new layers, in the image and in the cache: gzip or zstd, with a level or "
        "without one, such as zstd or gzip:1. Default: that of BuildKit, gzip. Layers of zstd need "
        "Docker 23 or containerd 1.5 where the image runs.",
        check=checks.matches(
            "(gzip|zstd)(:[0-9]{1,2})?", "use gzip or zstd, with a level if need be, such as gzip:1"
        ),
    ),
    "use": Switch(
        "With cleanup: false, have later steps use the builder by default, as docker buildx use."
    ),
    "install": Input("No effect: docker build is not replaced.", Kind.BOOLEAN),
    "cache-binary": Input("No effect: buildx is not downloaded.", Kind.BOOLEAN),
    "qemu-platforms": Input(
        "Platforms to emulate if no node of the builder supports them, such as arm64; all means "
        "every entry of platforms. Default: none.",
        Kind.WORDS,
        check=checks.matches(
            f"{platforms.PATTERN.pattern}|[a-z0-9_]+",
            "use a processor or os/arch, such as arm64, or all",
        ),
    ),
    "qemu-image": Input(
        "Image that installs emulators in the engine's kernel; it runs privileged.",
        default=DEFAULT_QEMU_IMAGE,
        check=checks.image,
    ),
    "reset": Switch(
        "Uninstall the emulators that the engine's kernel has (qemu-*) before any is installed. "
        "Other jobs on the machine lose them too."
    ),
    "cache-image": Input("No effect: the engine keeps qemu-image.", Kind.BOOLEAN),
    # The cache.
    "cache": Input(
        "Whether the cache is read and written; auto decides by event and trust.",
        default="auto",
        choices=("auto", "read-write", "read-only", "write-only", "off"),
    ),
    "cache-backend": Input(
        "Backend that stores the cache.", default="registry", choices=tuple(BACKENDS)
    ),
    "cache-options": Input(
        "Additional attributes of the backend, such as bucket=NAME or compression=zstd.",
        Kind.WORDS,
        may_hold_secrets=True,
    ),
    "cache-dir": Input(
        "Directory of the backend local, which the CI system has to save and restore."
    ),
    "cache-stages": Input(
        "Stages that the backend inline pushes as cache images of their own.",
        Kind.WORDS,
        # What BuildKit's Dockerfile parser accepts as the name of a stage.
        check=checks.matches(r"[A-Za-z][A-Za-z0-9._-]*", "use the name of a stage"),
    ),
    "cache-repository": Input(
        "Repository of the cache refs. Default: the repository of the first image."
    ),
    "cache-tag-prefix": Input(
        "Prefix of the tags of cache refs.", default="cache-", check=checks.tag_prefix
    ),
    "cache-scope": Input(
        "Separates caches in one repository: use a scope for each Dockerfile or matrix job.",
        check=_SCOPE,
    ),
    "cache-version": Input("Any text; changing it starts with an empty cache.", check=_SCOPE),
    "cache-mode": Input(
        "Layers to write: those of all stages (max), or of the final stage only (min).",
        default="max",
        choices=("max", "min"),
    ),
    "cache-fallback": Input(
        "Branches whose caches are read before the cache of the default branch.", Kind.WORDS
    ),
    "cache-trust-merged": Switch(
        "Also read the cache of the branch that a commit has merged, or that a tag was set on, as "
        "the commit's message or the event names it. Whoever may push any branch can then put "
        "layers into the image of the default branch."
    ),
    "cache-mounts": Input(
        "Cache mounts of RUN steps to keep beside the cache, by their IDs. All for which that "
        "pays (auto), or none (off).",
        Kind.WORDS,
        default="auto",
    ),
    "cache-mounts-limit": Input(
        "Size of the content above which a cache mount is not kept.", Kind.SIZE, default="1GB"
    ),
    "cache-import": Input(
        "Caches to read: the nearest branch's and every farther one that does not contradict it "
        "(auto), the nearest only (first), or all (union).",
        default="auto",
        choices=("auto", "first", "union"),
    ),
    "cache-export": Input(
        "When to write the cache: after the image is exported (after), or at the same time (with).",
        default="after",
        choices=("after", "with"),
    ),
    "cache-history": Input(
        "Number of generations of a branch's cache to keep and read, so that a revert starts warm.",
        Kind.NUMBER,
        default="1",
        bounds=(1, refs.MOST_GENERATIONS),
    ),
    "cache-max-age": Input(
        "Age, such as 7d, at which a cache is ignored, and everything is rebuilt on new base "
        "images. Default: no limit.",
        Kind.DURATION,
    ),
    "cache-timeout": Input(
        "How long the cache export may be silent before it is canceled. The cache import is "
        "limited to 30 seconds.",
        Kind.DURATION,
        default="10m",
    ),
    # How long registries are waited for.
    "push-timeout": Input(
        "How long a push may be silent before it is made once more, and then fails. It must be "
        "longer than the upload of the largest layer. The manifest is limited to 2 minutes.",
        Kind.DURATION,
        default="30m",
    ),
    "retry-timeout": Input(
        "How long what fails for a transient reason is tried again: a login, a pull, a push or the "
        "export of the cache. It is longer than the restart of a registry.",
        Kind.DURATION,
        default="1m",
    ),
    "cache-strict": Switch(
        "Fail, after the image is exported, if the cache could not be read or written."
    ),
    "skip-unchanged": Switch(
        "Build nothing if everything that goes into the image is as in an earlier build whose "
        "cache may be read: its image gets the tags."
    ),
    "refresh": Switch("Read no cache, pull newer base images, and write a fresh cache."),
    "cache-from": Input(
        "Cache sources in the syntax of buildx; they replace the automatic refs.",
        Kind.LINES,
        check=checks.cache_entry,
        may_hold_secrets=True,
    ),
    "cache-to": Input(
        "Cache destinations in the syntax of buildx; they replace the automatic ref.",
        Kind.LINES,
        check=checks.cache_entry,
        may_hold_secrets=True,
    ),
    "branch": Input(
        "Branch that is built. Default: as reported by the CI system or git; git reports none for "
        "a detached checkout."
    ),
    "default-branch": Input(
        "Default branch of the repository. Default: as reported by the CI system or git."
    ),
    # The sources.
    "lint": Switch("Warn about what invalidates the cache or leaks into it.", default="true"),
    "lint-ignore": Input(
        f"Lint rules to ignore: {', '.join(LINT_RULES)}.",
        Kind.WORDS,
        check=lambda text: checks.among(LINT_RULES, text),
    ),
    "normalize-modes": Switch(
        "Set the mode of files tracked by git to 644 or 755, and that of their directories to 755."
    ),
    "link": Switch(
        "Build COPY and ADD with --link where that changes no file of the image, so that nothing "
        "below needs to be unpacked; the Dockerfile stays as it is."
    ),
    # The decisions alone.
    "plan-only": Switch(
        "Build nothing, and set the outputs cache-from, cache-to and bake-file. Needs no image: "
        "tags are names without a repository then."
    ),
    "probe": Switch(
        "With plan-only, ask the registry which cache refs exist; a build always asks."
    ),
    # What is not understood.
    "strict-inputs": Switch(
        "Fail before anything starts if an input is unknown, instead of warning. Local runs always "
        "fail, and so does an unknown flag."
    ),
    # What is written.
    "output-file": Input("File to write the outputs to, as JSON."),
    "summary-file": Input(
        "File to write the Markdown summary to. Default: on GitHub the step summary, elsewhere "
        "warmbuild-summary.md in the temporary directory."
    ),
    "report-file": Input(
        "File to write the report to: a page of HTML with a timeline, which needs no network."
    ),
    "quiet": Switch("Log warnings, errors and the result, and nothing else."),
    "verbose": Switch("Log all that buildx and BuildKit say, as soon as they say it."),
    "log-format": Input(
        "text, or json: an object on each line.", default="text", choices=("text", "json")
    ),
    "otel": Input(
        "Send a trace of the run to OTEL_EXPORTER_OTLP_ENDPOINT; needs warmbuild[otel]. Default: "
        "true if that variable is set and the package is installed.",
        Kind.BOOLEAN,
    ),
    "merge-request-note": Switch(
        "On GitLab, keep a note with the result in the merge request, one for each job and target. "
        "Needs merge-request-token."
    ),
    "merge-request-token": Input(
        "Token for the note: a project access token of GitLab with the scope api and the role "
        "Reporter. Default: the token of the job, which no GitLab lets write notes so far.",
        secret=True,
    ),
}
# What docker/metadata-action reads from the environment alone.
_VARIABLES: Final[Mapping[str, Input]] = {
    f"{_OF_METADATA}SHORT_SHA_LENGTH": Input(
        "Digits of a commit in {{sha}} and type=sha.", Kind.NUMBER, default="7", bounds=(1, 64)
    ),
    f"{_OF_METADATA}PR_HEAD_SHA": Switch(
        "In a pull request on GitHub, name the image by the commit of its source, not of the merge."
    ),
    f"{_OF_METADATA}ANNOTATIONS_LEVELS": Input(
        "Levels of the annotations, if there are rules for tags: manifest, index, "
        "manifest-descriptor, index-descriptor.",
        Kind.WORDS,
        default="manifest",
        check=checks.annotation_level,
    ),
    f"{_OF_METADATA}SET_OUTPUT_ENV": Switch(
        "Set DOCKER_METADATA_OUTPUT_… for later steps, if there are rules for tags.",
        default="true",
    ),
}
TABLE: Final = tuple(replace(row, name=name) for name, row in _ROWS.items())
VARIABLES: Final = tuple(replace(row, name=name) for name, row in _VARIABLES.items())
BY_NAME: Final = {row.name: row for row in (*TABLE, *VARIABLES)}
PASSED: Final = tuple(row for row in TABLE if isinstance(row, Passthrough))


def variable(name: str) -> str:
    """Return the environment variable of an input that a shell can set."""
    return f"INPUT_{name.upper().replace('-', '_')}"
