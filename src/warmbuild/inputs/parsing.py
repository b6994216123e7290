"""Makes Inputs of the texts that were given, or says all that is wrong with them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import builders, caches, credentials, image_names, sources
from warmbuild.inputs.nearest import nearest
from warmbuild.inputs.reading import Reader
from warmbuild.inputs.table import BY_NAME, PASSED, TABLE
from warmbuild.inputs.values import Inputs, Passed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.table import Input

_FIELDS: Final = frozenset(field.name for field in fields(Inputs))
_POSITIONS: Final = {row.name: position for position, row in enumerate(TABLE)}


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

    Raises InputError with every problem there is, in the order of the table.
    """
    problems = [_unknown(name) for name in given if name not in BY_NAME]
    values = {row.name: row.default for row in TABLE}
    values |= {name: value for name, value in known.items() if name not in credentials.LOGIN}
    values |= {name: value for name, value in given.items() if name in BY_NAME}
    inputs = _read(Reader(values, problems), credentials.known_login(known))
    if problems:
        raise InputError(sorted(problems, key=lambda one: _POSITIONS.get(one.name, -1)))
    return inputs


def _unknown(name: str) -> InputProblem:
    return InputProblem(name=name, text=f"there is no such input.{nearest(name, BY_NAME)}")


def _by_kind(reader: Reader, rows: Iterable[Input]) -> dict[str, Any]:
    """Return the values of rows by field; their types are checked by a test alone."""
    return {row.field: reader.value(row) for row in rows}


def _read(reader: Reader, known: Login | None) -> Inputs:
    """Read the inputs that have rules of their own, and all others as their kind says."""
    tags, rules = image_names.tags(reader)
    images = image_names.images(reader, tags, rules)
    driver = builders.driver(reader)
    builders.check(reader, driver)
    backend, options = caches.backend(reader)
    passed = Passed(**_by_kind(reader, PASSED))
    sources.check(reader, backend, passed)
    found: dict[str, Any] = {
        "image": images,
        "tags": tags,
        "tag_rules": rules,
        "flavor": image_names.flavor(reader),
        "annotations": image_names.described(reader, "annotations", rules),
        "labels": image_names.described(reader, "labels", rules),
        "context": sources.context(reader),
        "secrets": credentials.secrets(reader),
        "passed": passed,
        "build_contexts": sources.build_contexts(reader),
        "vars": sources.variables(reader),
        "logins": credentials.logins(reader, images, known),
        "builder": builders.name(reader),
        "version": builders.version(reader),
        "driver": driver,
        "append": builders.appended(reader, driver),
        "buildkitd_config_inline": reader.values["buildkitd-config-inline"],
        "idle": builders.idle(reader),
        "cache_backend": backend,
        "cache_options": options,
        "cache_repository": caches.repository(reader),
    }
    others = [row for row in TABLE if row.field in _FIELDS and row.field not in found]
    return Inputs(**found, **_by_kind(reader, others))
