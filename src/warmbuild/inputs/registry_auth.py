"""Reads the input registry-auth: a YAML list of logins.

Keys and defaults are those of docker/login-action. Messages show the place of a mistake, but not
the text, which may be half of a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import yaml

from warmbuild.inputs import bounded_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_KEYS: Final = ("registry", "username", "password", "scope", "ecr")
_TEXT: Final = "tag:yaml.org,2002:str"
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_FORM: Final = f"use {', '.join(_KEYS[:-1])} and {_KEYS[-1]}"


class _Texts(bounded_yaml.Loader):
    """Reads scalars as texts: `ecr: false` and `password: 0123` stay as written."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (its base's)


_Texts.add_implicit_resolver(_NULL, re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Texts.add_implicit_resolver(_MERGE, re.compile(r"<<$"), ["<"])


def read(text: str, bad: Callable[[str], None]) -> Mapping[int, Mapping[str, str]]:
    """Return the items by their number, counted from 1; `bad` receives each problem."""
    try:
        loader = _Texts(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.SequenceNode) or not root.value:
            bad("is not a list; write each login as an item, such as - registry: ghcr.io")
            return {}
        return {
            number: dict(_pairs(loader, node, number, bad))
            for number, node in enumerate(root.value, start=1)
        }
    except yaml.YAMLError as error:
        bad(f"{bounded_yaml.reason(error)}.")
    return {}


def _pairs(
    loader: _Texts, node: yaml.Node, number: int, bad: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        bad(f"item {number} is not a login; {_FORM}.")
        return
    own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for name in _KEYS:
        if own.count(name) > 1:
            bad(f"item {number} has {name} more than once.")
    loader.flatten_mapping(node)
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value not in _KEYS:
            bad(f"item {number} has an unknown key; {_FORM}.")
        elif not isinstance(value, yaml.ScalarNode) or value.tag not in {_TEXT, _NULL}:
            bad(f"item {number}: {key.value} is not a text.")
        else:
            yield key.value, "" if value.tag == _NULL else value.value
