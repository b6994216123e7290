"""The one table of inputs, and `parse`, which makes `Inputs` of what was given.

Names and list syntax are those of docker/build-push-action, docker/setup-buildx-action and
docker/login-action wherever one of them has such an input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild import lists, refs
from warmbuild.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Kind(Enum):
    """How the text of an input is read; the value is how the docs call it."""

    TEXT = "text"
    BOOLEAN = "true or false"
    WORDS = "list, by newline or comma"
    LINES = "list, by newline"
    RAW_LINES = "list, by newline, quotes kept"
    UNTRIMMED_LINES = "list, by newline, spaces kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One row of the table.

    `default` is what an input that was not given stands for; "" means that warmbuild decides,
    and the help says how. `action_default` is for what only GitHub can fill in.
    """

    name: str
    help: str
    kind: Kind = Kind.TEXT
    default: str = ""
    choices: tuple[str, ...] = ()
    secret: bool = False
    action_default: str = ""

    @property
    def field(self) -> str:
        """The name of its field in `Inputs`."""
        return self.name.replace("-", "_")


DEFAULT_BUILDKIT_IMAGE: Final = "moby/buildkit:v0.32.2"

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
        help="Tag names, or full references. Default: the branch, the git tag or pr-N, and "
        "latest on the default branch.",
    ),
    Input(name="context", default=".", help="Build context: a directory or a git URL."),
    Input(name="file", help="Dockerfile. Default: Dockerfile in the context."),
    Input(name="target", help="Stage to build. Default: the last one."),
    Input(
        name="platforms",
        kind=Kind.WORDS,
        help="Target platforms, such as linux/amd64. Default: the builder's own.",
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
        "Default: as buildx does it.",
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
    # Where it goes.
    Input(
        name="registry",
        help="Registry to log in to. Default: the one of the first image.",
    ),
    Input(name="username", help="User name for the registry."),
    Input(name="password", secret=True, help="Password or token for the registry."),
    # What builds it.
    Input(
        name="builder",
        help="Builder to use; one that is there stays, one that is not is made. "
        "Default: a builder of this run.",
    ),
    Input(
        name="driver",
        default="docker-container",
        choices=("docker-container",),
        help="Driver of the builder that is made; docker-container is the one there is today.",
    ),
    Input(
        name="driver-opts",
        kind=Kind.RAW_LINES,
        help="Options of the driver, such as network=host or image=REF. "
        f"Default: image={DEFAULT_BUILDKIT_IMAGE}.",
    ),
    Input(
        name="buildkit-image-mirrors",
        kind=Kind.WORDS,
        help="BuildKit images to try, in this order, where the driver's own cannot be pulled.",
    ),
    Input(name="buildkitd-flags", help="Flags of the BuildKit daemon."),
    Input(name="buildkitd-config", help="Configuration file (TOML) of the BuildKit daemon."),
    Input(
        name="buildkitd-config-inline",
        help="Configuration (TOML) of the BuildKit daemon, as text.",
    ),
    Input(
        name="cleanup",
        kind=Kind.BOOLEAN,
        default="true",
        help="Remove the builder that this run made.",
    ),
    # The cache.
    Input(
        name="cache",
        default="auto",
        choices=("auto", "read-write", "read-only", "write-only", "off"),
        help="What is done with the cache; auto decides by event and trust.",
    ),
    Input(
        name="cache-repository",
        help="Repository of the cache refs. Default: the first image's own.",
    ),
    Input(
        name="cache-tag-prefix",
        default="cache-",
        help="What the tags of cache refs begin with.",
    ),
    Input(
        name="cache-scope",
        help="Keeps caches apart that share a repository: one a Dockerfile or matrix job.",
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
        default="first",
        choices=("first", "union"),
        help="Read the nearest ref that exists, or all of them together.",
    ),
    Input(
        name="cache-from",
        kind=Kind.LINES,
        help="Cache sources as buildx takes them; replaces the automatic refs.",
    ),
    Input(
        name="cache-to",
        kind=Kind.LINES,
        help="Cache destinations as buildx takes them; replaces the automatic ref.",
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
    # What is left behind.
    Input(name="output-file", help="File that gets the outputs as JSON."),
    Input(
        name="summary-file",
        help="File that gets the Markdown summary. Default: the step summary on GitHub, "
        "warmbuild-summary.md in the temporary directory elsewhere.",
    ),
)

BY_NAME: Final[Mapping[str, Input]] = {row.name: row for row in TABLE}

# A login is one thing: what CI knows is taken whole, or not at all.
_LOGIN: Final = ("registry", "username", "password")
# The user name under which a credential store hands out a refresh token instead of a password.
IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 (a name, no secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials for one registry."""

    host: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A build secret and where its value comes from: exactly one of the three is set."""

    id: str
    value: str = field(default="", repr=False)
    path: str = ""
    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that was asked for, read and checked."""

    image: tuple[refs.Reference, ...]
    tags: tuple[str, ...]
    context: str
    file: str
    target: str
    platforms: tuple[str, ...]
    build_args: tuple[str, ...]
    labels: tuple[str, ...]
    secrets: tuple[Secret, ...]
    push: bool | None
    load: bool | None
    pull: bool
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    provenance: str
    sbom: str
    github_token: str = field(repr=False)
    login: Login | None
    builder: str
    driver: str
    driver_opts: tuple[str, ...]
    buildkit_image_mirrors: tuple[str, ...]
    buildkitd_flags: str
    buildkitd_config: str
    buildkitd_config_inline: str
    cleanup: bool
    cache: str
    cache_repository: refs.Reference | None
    cache_tag_prefix: str
    cache_scope: str
    cache_mode: str
    cache_fallback: tuple[str, ...]
    cache_import: str
    cache_from: tuple[str, ...]
    cache_to: tuple[str, ...]
    branch: str
    default_branch: str
    output_file: str
    summary_file: str

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every value that may appear in no log."""
        password = self.login.password if self.login else ""
        values = [password, self.github_token, *(secret.value for secret in self.secrets)]
        return tuple(value for value in values if value)


def gather(flags: Mapping[str, str], env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the inputs that were given, by name, known or not.

    A flag wins over `INPUT_NAME-WITH-HYPHENS` (how GitHub spells it), which wins over
    `INPUT_NAME_WITH_UNDERSCORES` (all that GitLab and a shell can set). Empty is not given.
    """
    given: dict[str, str] = {}
    by_rank = sorted(
        (name for name in env if name.startswith("INPUT_")), key=lambda name: "-" in name
    )
    for variable in by_rank:
        if env[variable]:
            given[variable.removeprefix("INPUT_").lower().replace("_", "-")] = env[variable]
    given.update({name: value for name, value in flags.items() if value})
    return given


def variable(name: str) -> str:
    """Return the environment variable of an input that a shell can set."""
    return f"INPUT_{name.upper().replace('-', '_')}"


def parse(given: Mapping[str, str], known: Mapping[str, str]) -> Inputs:
    """Read and check the inputs; `known` is what the CI system can fill in by itself.

    Raises InputError with every problem there is.
    """
    problems = [_unknown(name) for name in given if name not in BY_NAME]
    values = {row.name: row.default for row in TABLE} | _with_login_whole(given, known)
    reader = _Reader(values, problems)
    inputs = reader.read()
    if problems:
        raise InputError(problems)
    return inputs


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the name nearest to `name`, or an empty text."""
    import difflib  # noqa: PLC0415 (only a mistake needs it)

    close = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _with_login_whole(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Lay what was given over what CI knows, without mixing two logins."""
    base = dict(known)
    other_registry = given.get("registry", base.get("registry")) != base.get("registry")
    if other_registry or "username" in given or "password" in given:
        for name in _LOGIN:
            base.pop(name, None)
    return base | {name: value for name, value in given.items() if name in BY_NAME}


def _unknown(name: str) -> Problem:
    return Problem(name=name, text=f"there is no such input.{nearest(name, BY_NAME)}")


_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")
_PLATFORM: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_KEY_VALUE: Final = re.compile(r"[^=\s]+=.*", re.DOTALL)
_SECRET_ID: Final = re.compile(r"[A-Za-z0-9_.-]+")
# The form of an item, and the field of Secret that its value goes to.
_SECRET_FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "secrets": ("ID=value", "value"),
    "secret-files": ("ID=path", "path"),
    "secret-envs": ("ID=VARIABLE", "variable"),
}
_BUILDER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


class _Reader:
    """Reads values one by one and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str], problems: list[Problem]) -> None:
        self.values = values
        self.problems = problems

    def bad(self, name: str, text: str) -> None:
        self.problems.append(Problem(name=name, text=text))

    def shown(self, name: str, value: str | None = None) -> str:
        """Quote a value for a message, unless it is secret."""
        if BY_NAME[name].secret:
            return "its value"
        return repr(self.values[name] if value is None else value)

    def text(self, name: str) -> str:
        return self.values[name].strip()

    def choice(self, name: str) -> str:
        value, choices = self.text(name), BY_NAME[name].choices
        if value not in choices:
            accepted = f"use {choices[0]}" if len(choices) == 1 else f"use {' or '.join(choices)}"
            self.bad(
                name, f"{self.shown(name)} is not accepted; {accepted}.{nearest(value, choices)}"
            )
        return value

    def maybe(self, name: str) -> bool | None:
        value = self.text(name)
        if not value:
            return None
        if value not in (*_TRUE, *_FALSE):
            self.bad(name, f"{self.shown(name)} is not accepted; use true or false.")
        return value in _TRUE

    def boolean(self, name: str) -> bool:
        return bool(self.maybe(name))

    def items(self, name: str) -> tuple[str, ...]:
        split = {
            Kind.WORDS: lists.words,
            Kind.LINES: lists.lines,
            Kind.RAW_LINES: lists.raw_lines,
            Kind.UNTRIMMED_LINES: lists.untrimmed_lines,
        }[BY_NAME[name].kind]
        try:
            return split(self.values[name])
        except ValueError as error:
            self.bad(name, f"{self.shown(name)} cannot be read: {error}.")
            return ()

    def matching(self, name: str, pattern: re.Pattern[str], accepted: str) -> tuple[str, ...]:
        items = self.items(name)
        for item in items:
            if not pattern.fullmatch(item):
                self.bad(name, f"{self.shown(name, item)} is not accepted; {accepted}.")
        return items

    def repository(self, name: str, value: str) -> refs.Reference | None:
        try:
            reference = refs.parse(value)
        except ValueError as error:
            self.bad(name, f"{self.shown(name, value)} is not a repository: {error}.")
            return None
        if reference.tag or reference.digest:
            self.bad(
                name,
                f"{self.shown(name, value)} has a tag or a digest; give the repository, "
                "and tags by the input tags.",
            )
        return reference

    def tags(self) -> tuple[str, ...]:
        items = self.items("tags")
        for item in items:
            if refs.is_tag(item):
                continue
            try:
                refs.parse(item)
            except ValueError as error:
                self.bad("tags", f"{item!r} is neither a tag's name nor a reference: {error}.")
        return items

    def secrets(self) -> tuple[Secret, ...]:
        found: list[Secret] = []
        for name, (form, source) in _SECRET_FORMS.items():
            for number, item in enumerate(self.items(name), start=1):
                key, _, value = item.partition("=")
                key = key.strip()
                if _SECRET_ID.fullmatch(key) and value:
                    found.append(replace(Secret(id=key), **{source: value}))
                else:
                    # The line is never shown: half of it may be a secret.
                    self.bad(name, f"item {number} is not of the form {form}.")
        ids = [secret.id for secret in found]
        for twice in sorted({key for key in ids if ids.count(key) > 1}):
            self.bad("secrets", f"the ID {twice!r} is given more than once.")
        return tuple(found)

    def login(self, images: Sequence[refs.Reference]) -> Login | None:
        username, password = self.text("username"), self.values["password"]
        if not username and not password:
            return None
        if not username or not password:
            missing = "password" if username else "username"
            self.bad(missing, "is missing: a login takes a user name and a password.")
        try:
            host = refs.host(self.text("registry")) if self.text("registry") else ""
        except ValueError as error:
            self.bad("registry", f"{self.shown('registry')} is not a registry's host: {error}.")
            host = ""
        return Login(
            host=host or (images[0].host if images else refs.DOCKER_HUB),
            username=username,
            password=password,
        )

    def image_mirrors(self) -> tuple[str, ...]:
        items = self.items("buildkit-image-mirrors")
        for item in items:
            try:
                refs.parse(item)
            except ValueError as error:
                self.bad("buildkit-image-mirrors", f"{item!r} is not an image: {error}.")
        return items

    def images(self, tags: Sequence[str]) -> tuple[refs.Reference, ...]:
        images = tuple(
            reference
            for item in self.items("image")
            if (reference := self.repository("image", item)) is not None
        )
        if not self.items("image"):
            names = [tag for tag in tags if refs.is_tag(tag)]
            if names:
                self.bad("tags", f"{names[0]!r} is a tag's name, and there is no image to tag.")
            elif not tags and self.maybe("push") is not False:
                self.bad("image", "is missing: say what is built, such as ghcr.io/me/app.")
        return images

    def read(self) -> Inputs:
        tags = self.tags()
        images = self.images(tags)
        if self.text("buildkitd-config") and self.text("buildkitd-config-inline"):
            self.bad("buildkitd-config-inline", "is given, and buildkitd-config too; give one.")
        if self.text("builder") and not _BUILDER.fullmatch(self.text("builder")):
            self.bad(
                "builder",
                f"{self.shown('builder')} is not a builder's name; it begins with a letter, "
                "and letters, digits and . _ - follow.",
            )
        prefix = self.text("cache-tag-prefix")
        if not refs.is_tag(f"{prefix}x") or len(prefix) > refs.LONGEST_PREFIX:
            self.bad(
                "cache-tag-prefix",
                f"{self.shown('cache-tag-prefix')} cannot begin a tag; use letters, digits and "
                f". _ -, at most {refs.LONGEST_PREFIX}, the first one no dot or hyphen.",
            )
        repository = self.text("cache-repository")
        return Inputs(
            image=images,
            tags=tags,
            context=self.text("context"),
            file=self.text("file"),
            target=self.text("target"),
            platforms=self.matching("platforms", _PLATFORM, "use os/arch, such as linux/amd64"),
            build_args=self.items("build-args"),
            labels=self.matching("labels", _KEY_VALUE, "use name=value"),
            secrets=self.secrets(),
            push=self.maybe("push"),
            load=self.maybe("load"),
            pull=self.boolean("pull"),
            no_cache=self.boolean("no-cache"),
            no_cache_filters=self.items("no-cache-filters"),
            provenance=self.text("provenance"),
            sbom=self.text("sbom"),
            github_token=self.text("github-token"),
            login=self.login(images),
            builder=self.text("builder"),
            driver=self.choice("driver"),
            driver_opts=self.matching("driver-opts", _KEY_VALUE, "use name=value"),
            buildkit_image_mirrors=self.image_mirrors(),
            buildkitd_flags=self.text("buildkitd-flags"),
            buildkitd_config=self.text("buildkitd-config"),
            buildkitd_config_inline=self.values["buildkitd-config-inline"],
            cleanup=self.boolean("cleanup"),
            cache=self.choice("cache"),
            cache_repository=(
                self.repository("cache-repository", repository) if repository else None
            ),
            cache_tag_prefix=prefix,
            cache_scope=self.text("cache-scope"),
            cache_mode=self.choice("cache-mode"),
            cache_fallback=self.items("cache-fallback"),
            cache_import=self.choice("cache-import"),
            cache_from=self.items("cache-from"),
            cache_to=self.items("cache-to"),
            branch=self.text("branch"),
            default_branch=self.text("default-branch"),
            output_file=self.text("output-file"),
            summary_file=self.text("summary-file"),
        )
