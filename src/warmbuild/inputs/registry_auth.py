"""Reads the input registry-auth: a YAML list of logins, of which no message shows anything.

Keys and defaults are those of docker/login-action. A mistake is named by its place alone: whatever
stands there may be half of a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEYS: Final = ("registry", "username", "password", "scope", "ecr")
_TEXT: Final = "tag:yaml.org,2002:str"
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_FORM: Final = f"use {', '.join(KEYS[:-1])} and {KEYS[-1]}"


class _Texts(yaml.SafeLoader):
    """Takes scalars for texts: `ecr: false` and `password: 0123` are what was written."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (its base's)


_Texts.add_implicit_resolver(_NULL, re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Texts.add_implicit_resolver(_MERGE, re.compile(r"<<$"), ["<"])


def read(text: str, bad: Callable[[str], None]) -> Mapping[int, Mapping[str, str]]:
    """Return the items by their number, counted from 1; what is wrong is told to `bad`."""
    try:
        loader = _Texts(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.SequenceNode) or not root.value:
            bad("is no list; each login is an item, such as: - registry: ghcr.io")
            return {}
        return {
            number: dict(_pairs(loader, node, number, bad))
            for number, node in enumerate(root.value, start=1)
        }
    except yaml.MarkedYAMLError as error:
        # Its text quotes the line.
        mark = error.problem_mark or error.context_mark
        at = f": line {mark.line + 1}, column {mark.column + 1} cannot be read" if mark else ""
        bad(f"is no YAML{at}.")
    except (yaml.YAMLError, RecursionError):
        bad("is no YAML.")
    return {}


def _pairs(
    loader: _Texts, node: yaml.Node, number: int, bad: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        bad(f"item {number} is no login; {_FORM}.")
        return
    own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for name in KEYS:
        if own.count(name) > 1:
            bad(f"item {number} has {name} more than once.")
    loader.flatten_mapping(node)
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value not in KEYS:
            bad(f"item {number} has a key that there is not; {_FORM}.")
        elif not isinstance(value, yaml.ScalarNode) or value.tag not in {_TEXT, _NULL}:
            bad(f"item {number}: its {key.value} is no text.")
        else:
            yield key.value, "" if value.tag == _NULL else value.value
