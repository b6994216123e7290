"""Makes Inputs of the texts that were given, or says all that is wrong with them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, platforms, refs
from warmbuild.backends import BACKENDS, Backend
from warmbuild.drivers import DRIVERS, Driver
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import build_context, lists, nodes, tag_rules
from warmbuild.inputs.logins import Login, read_login
from warmbuild.inputs.table import BY_NAME, LINT_RULES, TABLE, Kind
from warmbuild.inputs.tag_rules import Flavor, Rule
from warmbuild.inputs.values import Inputs, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.inputs.nodes import Node
    from warmbuild.refs import Reference

# A login is one thing: what CI knows is taken whole, or not at all.
_LOGIN: Final = ("registry", "username", "password")


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


def parse(given: Mapping[str, str], known: Mapping[str, str]) -> Inputs:
    """Read and check the inputs; `known` is what the CI system can fill in by itself.

    Raises InputError with every problem there is.
    """
    problems = [_unknown(name) for name in given if name not in BY_NAME]
    values = {row.name: row.default for row in TABLE}
    values |= {name: value for name, value in known.items() if name not in _LOGIN}
    values |= {name: value for name, value in given.items() if name in BY_NAME}
    reader = _Reader(values, problems, _known_login(known))
    inputs = reader.read()
    if problems:
        raise InputError(problems)
    return inputs


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the name nearest to `name`, or an empty text."""
    import difflib  # noqa: PLC0415 (only a mistake needs it)

    close = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _known_login(known: Mapping[str, str]) -> Login | None:
    """Return the login that the CI system has for its own registry."""
    if not all(known.get(name) for name in _LOGIN):
        return None
    host, username, password = (known[name] for name in _LOGIN)
    try:
        host = refs.host(host)
        return Login(host=host, username=username, password=password, is_known=True)
    except ValueError:
        return None


def _unknown(name: str) -> InputProblem:
    return InputProblem(name=name, text=f"there is no such input.{nearest(name, BY_NAME)}")


_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")
_PLATFORM: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_KEY_VALUE: Final = re.compile(r"[^=\s]+=.*", re.DOTALL)
_HOST: Final = re.compile(r"[^:=\s]+[:=]\S+")
_TYPED: Final = re.compile(r".*\btype=.+", re.DOTALL)
_CALLS: Final = ("build", "check", "lint", "outline", "targets", "subrequests.describe")
_SECRET_ID: Final = re.compile(r"[A-Za-z0-9_.:-]+")
# The form of an item, and the field of Secret that its value goes to.
_SECRET_FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "secrets": ("ID=value", "value"),
    "secret-files": ("ID=path", "path"),
    "secret-envs": ("ID=VARIABLE", "variable"),
}
_MAY_HOLD_SECRETS: Final = ("cache-options", "cache-from", "cache-to", "set", "vars")
_SCOPE: Final = re.compile(r"[A-Za-z0-9._/-]+")
# The name of a build stage, as BuildKit's Dockerfile parser takes it.
_STAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
# What buildx takes for a target's name; it makes `_` of the dots of a service's.
_TARGET: Final = re.compile(r"[A-Za-z0-9_.-]+")
_OVERRIDE: Final = re.compile(r"[^.=]+\.[^=]+=.*", re.DOTALL)
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)
# What of the environment is buildx's own, and no variable of a file.
_NO_VARIABLE: Final = re.compile(
    r"PATH|HOME|TMPDIR|LD_.*|(?:DOCKER|BUILDX|BUILDKIT)_(?:CONFIG|HOST|CONTEXT|BUILDER|TLS.*|CERT.*)"
)
# What is of one image, and said in the file where there are several.
_OF_ONE_IMAGE: Final[Mapping[str, str]] = {
    "context": "the file says it for each target",
    "file": "the file says it for each target",
    "target": "the input targets chooses among the file's",
    "cache-from": "the file says it for a target, or set: TARGET.cache-from=…",
    "cache-to": "the file says it for a target, or set: TARGET.cache-to=…",
    "cache-stages": "a target has no other stages than its own",
    "call": "it is asked of one image at a time",
    "cgroup-parent": "buildx bake has no such thing",
}
_DURATION: Final = re.compile(r"([0-9]{1,5})([smhdw])")
_UNITS: Final[Mapping[str, timedelta]] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_BUILDER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_BUILDX_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
# What docker/setup-buildx-action has, and has no meaning in a run of its own.
_IDLE: Final = ("use", "install", "cache-binary")


class _Reader:
    """Reads values one by one and collects what is wrong with them."""

    def __init__(
        self, values: Mapping[str, str], problems: list[InputProblem], known: Login | None
    ) -> None:
        self.values = values
        self.problems = problems
        self.known = known

    def bad(self, name: str, text: str) -> None:
        self.problems.append(InputProblem(name=name, text=text))

    def shown(self, name: str, value: str | None = None) -> str:
        """Quote a value for a message, unless it is secret or may hold a secret attribute."""
        if BY_NAME[name].secret or name in _MAY_HOLD_SECRETS:
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

    def repository(self, name: str, value: str) -> Reference | None:
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

    def tags(self) -> tuple[tuple[str, ...], tuple[Rule, ...]]:
        """Return names and references, and the rules among them.

        Where there is a rule, or what goes with rules alone, a name is one, too.
        """
        texts = [text for text in self.values["tags"].splitlines() if not text.startswith("#")]
        lines = [text.strip() for text in texts]
        rules: list[Rule] = []
        for line in filter(tag_rules.is_rule, lines):
            try:
                rules.append(tag_rules.read(line, nearest))
            except ValueError as error:
                self.bad("tags", f"{line!r} cannot be read: {error}")
        try:
            items = lists.words("\n".join(text for text in texts if not tag_rules.is_rule(text)))
        except ValueError as error:
            self.bad("tags", f"{self.shown('tags')} cannot be read: {error}.")
            items = ()
        for item in items:
            if refs.is_tag(item):
                continue
            try:
                refs.parse(item)
            except ValueError as error:
                self.bad("tags", f"{item!r} is neither a tag's name nor a reference: {error}.")
        if not (rules or self.text("flavor") or self.text("images")):
            return items, ()
        rules += [tag_rules.raw(item) for item in items if refs.is_tag(item)]
        full = tuple(item for item in items if not refs.is_tag(item))
        return full, tuple(rules) or tag_rules.defaults()

    def uncommented(self, name: str) -> tuple[str, ...]:
        """Return the lines of an input that docker/metadata-action has; one may be a comment."""
        return tuple(item for item in self.items(name) if not item.startswith("#"))

    def described(self, name: str, rules: Sequence[Rule]) -> tuple[str, ...]:
        """Return labels or annotations; beside rules for tags there are expressions in them."""
        items = self.uncommented(name)
        for item in items:
            if not _KEY_VALUE.fullmatch(item):
                self.bad(name, f"{self.shown(name, item)} is not accepted; use name=value.")
            elif rules:
                try:
                    tag_rules.check_expressions(item, nearest)
                except ValueError as error:
                    self.bad(name, f"{item!r} cannot be read: {error}")
        return items

    def flavor(self) -> Flavor:
        try:
            return tag_rules.flavor(self.uncommented("flavor"), nearest)
        except ValueError as error:
            self.bad("flavor", str(error))
            return Flavor()

    def named_images(self) -> tuple[str, ...]:
        """Return the repositories of `images` that are enabled."""
        found: list[str] = []
        for line in self.uncommented("images"):
            values = {"enable": "true"}
            for part in csv_attributes.fields(line):
                name, equals, value = (text.strip() for text in part.partition("="))
                values |= {name.lower(): value} if equals else {"name": name}
            if unknown := values.keys() - {"name", "enable"}:
                near = nearest(min(unknown), ("name", "enable"))
                self.bad("images", f"{line!r} has no {min(unknown)!r} to give.{near}")
            elif values["enable"] not in {"true", "false"}:
                self.bad("images", f"{line!r}: enable is neither true nor false.")
            elif values["enable"] == "true" and values.get("name"):
                found.append(values["name"].lower())
        return tuple(found)

    def lint_ignore(self) -> tuple[str, ...]:
        items = self.items("lint-ignore")
        for item in items:
            if item not in LINT_RULES:
                near = nearest(item, LINT_RULES)
                self.bad("lint-ignore", f"{item!r} is no rule's name.{near}")
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

    def logins(self, images: Sequence[Reference]) -> tuple[Login, ...]:
        """Return the logins that were given, and the CI system's own where none is for its host."""
        one = {name: self.values[name] for name in (*_LOGIN, "scope")}
        is_ecr = self.choice("ecr")
        has_one = is_ecr == "true" or any(value.strip() for value in one.values())
        found: list[Login] = []
        if self.text("registry-auth"):
            found = self.registry_auth()
            if has_one:
                self.bad_login("is given, and one login by its parts too; put that in it.")
        elif has_one:
            place = images[0].host if images else refs.DOCKER_HUB
            one["ecr"] = is_ecr if is_ecr in BY_NAME["ecr"].choices else ""
            login = read_login(one, place, self.known, self.bad)
            found = [login] if login else []
            if not login and one["scope"].strip():
                self.bad("scope", "is given, and no login that it is for.")
        known = self.known
        if known and not any(login.host == known.host and not login.scope for login in found):
            found.append(known)
        return tuple(found)

    def registry_auth(self) -> list[Login]:
        from warmbuild.inputs import registry_auth  # noqa: PLC0415

        found: list[Login] = []
        items = registry_auth.read(self.values["registry-auth"], self.bad_login)
        for number, item in items.items():

            def bad(name: str, text: str, number: int = number) -> None:
                self.bad_login(f"item {number}: {name} {text}")

            login = read_login(item, refs.DOCKER_HUB, self.known, bad)
            if login:
                found.append(login)
            elif not {"username", "password"} & set(item):
                self.bad_login(f"item {number} has no username and no password.")
        places = [str(login) for login in found]
        for place in sorted({place for place in places if places.count(place) > 1}):
            self.bad_login(f"there is more than one login for {place}.")
        return found

    def bad_login(self, text: str) -> None:
        self.bad("registry-auth", text)

    def driver(self) -> Driver:
        """Return the driver; an unknown one is reported, and the default stands for it."""
        return DRIVERS.get(self.choice("driver"), DRIVERS[BY_NAME["driver"].default])

    def check_builder(self, driver: Driver) -> None:
        """Find what is no builder's name, and what does not go with the builder's driver."""
        for name in ("builder", "name"):
            if self.text(name) and not _BUILDER.fullmatch(self.text(name)):
                self.bad(
                    name,
                    f"{self.shown(name)} is not a builder's name; it begins with a letter, "
                    "and letters, digits and . _ - follow.",
                )
        if self.text("name") and self.text("builder") not in ("", self.text("name")):
            text = f"{self.shown('name')} is given, and builder: {self.text('builder')}; give one."
            self.bad("name", text)
        for name in driver.unsupported:
            if self.text(name) != BY_NAME[name].default:
                self.bad(name, f"is of no use to the driver {driver.name}.")
        if why_not := nodes.misfit(driver, self.text("endpoint")):
            self.bad("endpoint", why_not)
        if self.boolean("keep-state") and not (self.text("builder") or self.text("name")):
            self.bad("keep-state", "needs a name: the next run finds the state by it.")

    def buildx_version(self) -> str:
        """Return the version that buildx has to have; empty for any."""
        value = self.text("version")
        if value in ("", "latest"):
            return ""
        if not _BUILDX_VERSION.fullmatch(value):
            self.bad(
                "version",
                f"{self.shown('version')} is no version such as 0.36.1, and nothing is downloaded "
                "or built.",
            )
        return value.removeprefix("v")

    def appended(self, driver: Driver) -> tuple[Node, ...]:
        if not self.text("append") or "append" in driver.unsupported:
            return ()
        return nodes.read(self.values["append"], driver, lambda text: self.bad("append", text))

    def emulated(self) -> tuple[str, ...]:
        items = self.items("qemu-platforms")
        for item in items:
            if not platforms.is_platform(item):
                self.bad(
                    "qemu-platforms",
                    f"{item!r} is no platform; use a processor or os/arch, such as arm64, or all.",
                )
        return items

    def image(self, name: str) -> str:
        try:
            refs.parse(self.text(name))
        except ValueError as error:
            self.bad(name, f"{self.shown(name)} is not an image: {error}.")
        return self.text(name)

    def image_mirrors(self) -> tuple[str, ...]:
        items = self.items("buildkit-image-mirrors")
        for item in items:
            try:
                refs.parse(item)
            except ValueError as error:
                self.bad("buildkit-image-mirrors", f"{item!r} is not an image: {error}.")
        return items

    def images(self, tags: Sequence[str], rules: Sequence[Rule]) -> tuple[Reference, ...]:
        listed = [("images", item) for item in self.named_images()]
        # The CI system's own image is for those who name none.
        if not self.text("images"):
            listed = [("image", item) for item in self.items("image")]
        images = tuple(
            reference
            for name, item in listed
            if (reference := self.repository(name, item)) is not None
        )
        if not listed and not self.text("images"):
            names = [tag for tag in tags if refs.is_tag(tag)]
            if names:
                self.bad("tags", f"{names[0]!r} is a tag's name, and there is no image to tag.")
            elif rules and not (tags and rules == tag_rules.defaults()):
                self.bad("tags", "there are rules for names, and there is no image to tag.")
            elif not tags and self.makes_an_image():
                self.bad("image", "is missing: say what is built, such as ghcr.io/me/app.")
        return images

    def makes_an_image(self) -> bool:
        """Say whether there has to be a name for what is built."""
        if self.text("call") not in ("", "build"):
            return False
        push = self.text("push")
        if self.has_files():
            return False
        return push in _TRUE or not (push or self.text("outputs"))

    def has_files(self) -> bool:
        """Say whether files tell what is built."""
        return bool(self.text("bake-files") or self.text("compose-files"))

    def definitions(self, name: str) -> tuple[str, ...]:
        items = self.items(name)
        for item in items:
            if "://" in item or item == "-" or item.startswith("git@"):
                text = f"{item!r} is no file of the checkout, and nothing else is read."
                self.bad(name, text)
        return items

    def variables(self) -> tuple[str, ...]:
        items = self.items("vars")
        for number, item in enumerate(items, start=1):
            found = _VARIABLE.fullmatch(item)
            if not found:
                self.bad("vars", f"item {number} is not of the form NAME=value.")
            elif _NO_VARIABLE.fullmatch(found[1]):
                self.bad("vars", f"{found[1]} is no variable of a file, but of buildx's own.")
        return items

    def check_files(self) -> None:
        """Find what does not go with files that tell what is built, or needs some."""
        if self.has_files():
            for name, instead in _OF_ONE_IMAGE.items():
                # Files are read here, so that this directory is no context but theirs.
                if self.text(name) not in {"", "."}:
                    self.bad(name, f"does not go with bake-files or compose-files; {instead}.")
            return
        for name in ("targets", "set", "vars"):
            if self.text(name):
                self.bad(name, "is of no use without bake-files or compose-files.")

    def template(self, name: str, value: str) -> str:
        """Read a context, in which there is one expression to be filled in."""
        if unknown := build_context.unknown(value):
            self.bad(name, f"{unknown!r} is no expression; there is {{{{defaultContext}}}} alone.")
        return value

    def build_contexts(self) -> tuple[str, ...]:
        items = self.matching("build-contexts", _KEY_VALUE, "use NAME=directory, image or URL")
        return tuple(self.template("build-contexts", item) for item in items)

    def call(self) -> str:
        """Return what is called; an answer in JSON is asked for by an attribute after the name."""
        value = self.text("call")
        name = value.partition(",")[0].removeprefix("method=")
        if value and name not in _CALLS:
            self.bad(
                "call",
                f"{self.shown('call')} is not accepted; use {', '.join(_CALLS)}."
                f"{nearest(name, _CALLS)}",
            )
        return value

    def cgroup_parent(self, backend: Backend) -> str:
        value = self.text("cgroup-parent")
        if value and backend.passed:
            self.bad(
                "cgroup-parent",
                f"cannot be set with the cache backend {backend.name}: buildx bake, which it "
                "takes, has no such thing.",
            )
        return value

    def cache_repository(self) -> Reference | None:
        value = self.text("cache-repository")
        if not value:
            return None
        from warmbuild import vendors  # noqa: PLC0415

        reference = self.repository("cache-repository", value)
        if reference and (why_not := vendors.misfit(reference)):
            self.bad("cache-repository", f"{why_not}.")
        return reference

    def number(self, name: str, least: int, most: int) -> int:
        value = self.text(name)
        if not value.isdecimal() or not least <= int(value) <= most:
            self.bad(name, f"{self.shown(name)} is not accepted; use {least} to {most}.")
            return least
        return int(value)

    def duration(self, name: str) -> timedelta | None:
        value = self.text(name)
        if not value:
            return None
        found = _DURATION.fullmatch(value)
        if not found or not int(found[1]):
            self.bad(name, f"{self.shown(name)} is not a time; use a number and s, m, h, d or w.")
            return None
        return int(found[1]) * _UNITS[found[2]]

    def part_of_scope(self, name: str) -> str:
        value = self.text(name)
        if value and not _SCOPE.fullmatch(value):
            self.bad(name, f"{self.shown(name)} is not accepted; use letters, digits and . _ / -.")
        return value

    def cache_backend(self) -> tuple[Backend, tuple[str, ...]]:
        """Return the backend and its options, which are not looked at where it is unknown."""
        name, options = self.choice("cache-backend"), self.items("cache-options")
        backend = BACKENDS.get(name)
        if backend is None:
            return BACKENDS["registry"], options
        self.check_options(backend, options)
        self.check_backend(backend, options)
        return backend, options

    def check_options(self, backend: Backend, options: Sequence[str]) -> None:
        for number, item in enumerate(options, start=1):
            key, equals, value = item.partition("=")
            if not equals or not value:
                self.bad("cache-options", f"item {number} is not of the form name=value.")
            elif key in backend.secrets:
                self.bad(
                    "cache-options",
                    f"{key} is secret, and arguments are not; set {backend.secrets[key]} in the "
                    "environment instead.",
                )
            elif key not in backend.known:
                self.bad(
                    "cache-options",
                    f"{key!r} is no attribute that can be set for {backend.name}."
                    f"{nearest(key, backend.known)}",
                )

    def check_backend(self, backend: Backend, options: Sequence[str]) -> None:
        """Find what does not go with a backend; explicit caches need none of it."""
        is_explicit = self.text("cache-from") or self.text("cache-to")
        if is_explicit or self.text("cache") == "off":
            return
        given = {item.partition("=")[0] for item in options}
        for option in backend.required:
            if option not in given:
                self.bad("cache-options", f"{backend.name} needs {option}=….")
        if bool(self.text("cache-dir")) != backend.is_directory:
            self.bad(
                "cache-dir",
                f"is missing: the backend {backend.name} needs a directory."
                if backend.is_directory
                else f"is of no use to the backend {backend.name}; cache-backend: local has it.",
            )
        if self.text("cache-stages") and not backend.lies_in_image:
            self.bad(
                "cache-stages",
                f"is of no use to the backend {backend.name}, which has all stages already; "
                "cache-backend: inline has it.",
            )
        if self.text("cache-history") != BY_NAME["cache-history"].default and not backend.retagged:
            self.bad("cache-history", f"the backend {backend.name} keeps one generation only.")
        if self.text("cache-max-age") and not backend.asked:
            self.bad(
                "cache-max-age",
                f"the age of a cache of the backend {backend.name} cannot be read.",
            )

    def read(self) -> Inputs:
        tags, rules = self.tags()
        images = self.images(tags, rules)
        if self.text("buildkitd-config") and self.text("buildkitd-config-inline"):
            self.bad("buildkitd-config-inline", "is given, and buildkitd-config too; give one.")
        driver = self.driver()
        self.check_builder(driver)
        prefix = self.text("cache-tag-prefix")
        if not refs.is_tag(f"{prefix}x") or len(prefix) > refs.LONGEST_PREFIX:
            self.bad(
                "cache-tag-prefix",
                f"{self.shown('cache-tag-prefix')} cannot begin a tag; use letters, digits and "
                f". _ -, at most {refs.LONGEST_PREFIX}, the first one no dot or hyphen.",
            )
        backend, options = self.cache_backend()
        self.check_files()
        return Inputs(
            image=images,
            tags=tags,
            tag_rules=rules,
            flavor=self.flavor(),
            annotations=self.described("annotations", rules),
            context=self.template("context", self.text("context")),
            file=self.text("file"),
            target=self.text("target"),
            platforms=self.matching("platforms", _PLATFORM, "use os/arch, such as linux/amd64"),
            build_args=self.items("build-args"),
            labels=self.described("labels", rules),
            secrets=self.secrets(),
            push=self.maybe("push"),
            load=self.maybe("load"),
            pull=self.boolean("pull"),
            no_cache=self.boolean("no-cache"),
            no_cache_filters=self.items("no-cache-filters"),
            provenance=self.text("provenance"),
            sbom=self.text("sbom"),
            add_hosts=self.matching("add-hosts", _HOST, "use NAME:IP"),
            allow=self.items("allow"),
            attests=self.matching("attests", _TYPED, "use type=provenance or type=sbom"),
            build_contexts=self.build_contexts(),
            call=self.call(),
            cgroup_parent=self.cgroup_parent(backend),
            network=self.text("network"),
            outputs=self.items("outputs"),
            shm_size=self.text("shm-size"),
            ssh=self.items("ssh"),
            ulimit=self.matching("ulimit", _KEY_VALUE, "use NAME=soft:hard"),
            bake_files=self.definitions("bake-files"),
            compose_files=self.definitions("compose-files"),
            targets=self.matching("targets", _TARGET, "use the name of a target, group or service"),
            set=self.matching("set", _OVERRIDE, "use TARGET.key=value"),
            vars=self.variables(),
            github_token=self.text("github-token"),
            logins=self.logins(images),
            logout=self.boolean("logout"),
            builder=self.text("builder") or self.text("name"),
            version=self.buildx_version(),
            driver=driver,
            driver_opts=self.matching("driver-opts", _KEY_VALUE, "use name=value"),
            endpoint=self.text("endpoint"),
            node_platforms=self.matching(
                "node-platforms", _PLATFORM, "use os/arch, such as linux/amd64"
            ),
            append=self.appended(driver),
            buildkit_image_mirrors=self.image_mirrors(),
            buildkitd_flags=self.text("buildkitd-flags"),
            buildkitd_config=self.text("buildkitd-config"),
            buildkitd_config_inline=self.values["buildkitd-config-inline"],
            keep_state=self.boolean("keep-state"),
            cleanup=self.boolean("cleanup"),
            idle=tuple(name for name in _IDLE if self.maybe(name) is not None),
            qemu_platforms=self.emulated(),
            qemu_image=self.image("qemu-image"),
            cache=self.choice("cache"),
            cache_backend=backend,
            cache_options=options,
            cache_dir=self.text("cache-dir"),
            cache_stages=self.matching("cache-stages", _STAGE, "use the name of a stage"),
            cache_repository=self.cache_repository(),
            cache_tag_prefix=prefix,
            cache_scope=self.part_of_scope("cache-scope"),
            cache_version=self.part_of_scope("cache-version"),
            cache_mode=self.choice("cache-mode"),
            cache_fallback=self.items("cache-fallback"),
            cache_import=self.choice("cache-import"),
            cache_export=self.choice("cache-export"),
            cache_history=self.number("cache-history", 1, refs.MOST_GENERATIONS),
            cache_max_age=self.duration("cache-max-age"),
            cache_timeout=self.duration("cache-timeout") or timedelta(),
            cache_strict=self.boolean("cache-strict"),
            refresh=self.boolean("refresh"),
            cache_from=self.items("cache-from"),
            cache_to=self.items("cache-to"),
            branch=self.text("branch"),
            default_branch=self.text("default-branch"),
            lint=self.boolean("lint"),
            lint_ignore=self.lint_ignore(),
            normalize_modes=self.boolean("normalize-modes"),
            plan_only=self.boolean("plan-only"),
            probe=self.boolean("probe"),
            output_file=self.text("output-file"),
            summary_file=self.text("summary-file"),
        )
