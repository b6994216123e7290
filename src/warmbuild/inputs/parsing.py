"""Reads the inputs, or raises an error with everything that is wrong with them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from warmbuild import surrogates
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import build_context, builders, caches, credentials, image_names, peers
from warmbuild.inputs.checks import nearest
from warmbuild.inputs.reading import TRUE, Reader
from warmbuild.inputs.table import BY_NAME, PASSED, VARIABLES
from warmbuild.inputs.values import Inputs, Passed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from warmbuild.backends import Backend
    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.table import Input

_FIELDS: Final = frozenset(field.name for field in fields(Inputs))
_POSITIONS: Final = {name: position for position, name in enumerate(BY_NAME)}
_SET_PER_TARGET: Final = "the file sets it for each target"
# Inputs of a single image, with what replaces them for several.
_OF_ONE_IMAGE: Final[Mapping[str, str]] = {
    "context": _SET_PER_TARGET,
    "file": _SET_PER_TARGET,
    "target": "use targets to choose among those of the file",
    "cache-from": f"{_SET_PER_TARGET}, or use set: TARGET.cache-from=…",
    "cache-to": f"{_SET_PER_TARGET}, or use set: TARGET.cache-to=…",
    "cache-stages": "a target has only its own stages",
}


def gather(flags: Mapping[str, str], env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the inputs that are set, by name, known or not; an empty one is not set.

    Among them are the variables of docker/metadata-action, by their own names.
    A flag overrides `INPUT_NAME-WITH-HYPHENS` (GitHub's spelling), which overrides
    `INPUT_NAME_WITH_UNDERSCORES` (the only one that GitLab and a shell can set).
    """
    variables = sorted(
        (name for name in env if name.startswith("INPUT_")), key=lambda name: "-" in name
    )
    values = {
        name.removeprefix("INPUT_").lower().replace("_", "-"): env[name]
        for name in variables
        if env[name]
    }
    values |= {row.name: env[row.name] for row in VARIABLES if env.get(row.name)}
    return values | {name: value for name, value in flags.items() if value}


def ignored(given: Mapping[str, str], flags: Container[str]) -> Mapping[str, str]:
    """Return a warning for each unknown input that may be ignored, by its name.

    Those may not that are flags, and none may if `strict-inputs` is on.
    """
    if given.get("strict-inputs", "").strip() in TRUE:
        return {}
    return {
        name: f"{name} is not an input, so its value has no effect.{_advice(name)}"
        for name in given
        if name not in BY_NAME and name not in flags
    }


def _advice(name: str) -> str:
    """Return what a user may have meant by an unknown input, or an empty text."""
    return peers.advice(name) or nearest(name, BY_NAME)


def parse(given: Mapping[str, str], known: Mapping[str, str]) -> Inputs:
    """Read and check the inputs; `known` is what the CI system provides.

    Raises InputError with every problem, in the order of the table.
    """
    problems = [
        InputProblem(name=name, text=f"is not an input.{_advice(name)}")
        for name in given
        if name not in BY_NAME
    ]
    values = {name: row.default for name, row in BY_NAME.items()}
    values |= {name: value for name, value in known.items() if name not in credentials.LOGIN}
    values |= {name: value for name, value in given.items() if name in BY_NAME}
    for name in filter(lambda name: surrogates.are_in(values[name]), values):
        problems.append(InputProblem(name=name, text="contains bytes that are not UTF-8."))
        values[name] = surrogates.escaped(values[name])
    chosen = {
        row.name: "" if row.secret or row.may_hold_secrets else values[row.name]
        for row in BY_NAME.values()
        # What only GitHub can fill in, it fills in always.
        if values[row.name].strip() != row.default and row.name in given and not row.action_default
    }
    reader = Reader(values, problems)
    reader.maybe("strict-inputs")
    inputs = replace(_read(reader, credentials.known_login(known)), given=chosen)
    if problems:
        raise InputError(sorted(problems, key=lambda one: _POSITIONS.get(one.name, -1)))
    return inputs


def _by_kind(reader: Reader, rows: Iterable[Input]) -> dict[str, Any]:
    """Return the values of rows by field; only a test checks their types."""
    return {row.field: reader.value(row) for row in rows}


def _read(reader: Reader, known: Login | None) -> Inputs:
    """Read the inputs that have rules of their own, and all others by their kind."""
    tags, rules = image_names.tags(reader)
    images = image_names.images(reader, tags, rules)
    driver = builders.driver(reader)
    builders.check(reader, driver)
    backend, options = caches.backend(reader)
    passed = Passed(**_by_kind(reader, PASSED))
    if reader.is_set("quiet") and reader.is_set("verbose"):
        reader.bad("verbose", "conflicts with quiet; set only one of them.")
    _check_sources(reader, backend, passed)
    found: dict[str, Any] = {
        "image": images,
        "tags": tags,
        "tag_rules": rules,
        "flavor": image_names.flavor(reader),
        "annotations": image_names.described(reader, "annotations", rules),
        "labels": image_names.described(reader, "labels", rules),
        "secrets": credentials.secrets(reader),
        "passed": passed,
        "logins": credentials.logins(reader, images, known),
        "builder": builders.name(reader),
        "version": builders.version(reader),
        "driver": driver,
        "append": builders.nodes(reader, driver),
        "untrusted_builder": builders.untrusted(reader, driver),
        "idle": builders.idle(reader),
        "cache_backend": backend,
        "cache_options": options,
        "cache_mounts": caches.mounts(reader),
        "cache_repository": caches.repository(reader),
        "bake_files": _bake_files(reader),
    }
    others = [row for row in BY_NAME.values() if row.field in _FIELDS and row.field not in found]
    found |= _by_kind(reader, others)
    return Inputs(**found, warnings=tuple(reader.warnings))


def _check_sources(reader: Reader, backend: Backend, passed: Passed) -> None:
    """Find inputs that conflict with bake and compose files, or with buildx bake."""
    for name in ("context", "build-contexts", "source"):
        for expression in build_context.unknown(reader.text(name)):
            text = f"{expression!r} is not supported; use {{{{defaultContext}}}}."
            reader.bad(name, text)
    unknown_to_bake = [row.name for row, _ in passed.given() if not row.bake_key]
    if backend.passed:
        text = f"cannot be set with cache backend '{backend.name}', which needs buildx bake; "
        for name in unknown_to_bake:
            reader.bad(name, f"{text}bake does not support it.")
    if reader.has_files:
        # The files' paths are relative to the current directory, so "." changes nothing.
        found = {
            name: why for name, why in _OF_ONE_IMAGE.items() if reader.text(name) not in {"", "."}
        }
        if reader.text("context") in build_context.SOURCES:
            del found["context"]
        found |= dict.fromkeys(unknown_to_bake, "buildx bake does not support it")
        for name, why in found.items():
            reader.bad(name, f"conflicts with bake-files and compose-files: {why}.")


def _bake_files(reader: Reader) -> tuple[str, ...]:
    """Return the bake files, which have two inputs."""
    own, alias = reader.items("bake-files"), reader.items("files")
    if own and alias and own != alias:
        reader.bad("files", "conflicts with bake-files; set only one of them.")
    return own or alias
