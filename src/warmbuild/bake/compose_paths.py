"""The files that a compose file has buildx read while it is resolved: no definition names them."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from warmbuild.inputs import bounded_yaml
else:
    yaml = lazy.module("yaml")
    bounded_yaml = lazy.module("warmbuild.inputs.bounded_yaml")

# Tags that compose adds to YAML, and what tells plain values apart.
_TAGS: Final = frozenset(
    {
        *("!reset", "!override"),
        *(
            f"tag:yaml.org,2002:{kind}"
            for kind in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp")
        ),
    }
)
_CORE: Final = "tag:yaml.org,2002:"


@frozen
class Named:
    """A file that a compose file names."""

    path: str
    is_compose: bool  # It is a compose file too, and names further files


class _Kind(Enum):
    """What the values below a key are."""

    OTHER = auto()
    VARIABLES = auto()  # Files of variables
    INCLUDED = auto()  # Compose files, and keys of an entry of `include`
    EXTENDED = auto()  # Keys of `extends`, one of which is a compose file


def named(text: str) -> Iterator[Named]:
    """Yield the files that a compose file names.

    A value is found by its key alone, wherever it stands: an anchor can take it anywhere. Raises
    ValueError for what cannot be told: a variable in a path, and tags such as !!binary.
    """
    try:
        waiting = [(node, _Kind.OTHER) for node in yaml.compose_all(text, bounded_yaml.Loader)]
    except yaml.YAMLError as error:
        raise ValueError(bounded_yaml.reason(error)) from error
    seen: set[tuple[int, _Kind]] = set()
    while waiting:
        node, kind = waiting.pop()
        if (id(node), kind) in seen:
            continue
        seen.add((id(node), kind))
        if node.tag not in _TAGS:
            raise ValueError(f"has the tag {node.tag.replace(_CORE, '!!')}")
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                waiting += [(key, _Kind.OTHER), (value, _of_value(key, kind))]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(item, kind) for item in node.value]
        elif kind in {_Kind.VARIABLES, _Kind.INCLUDED}:
            yield _found(node.value, kind)


def _of_value(key: yaml.Node, kind: _Kind) -> _Kind:
    """Return what a value is; `kind` is what its mapping is."""
    match (key.value, kind):
        case ("env_file" | "label_file", _):
            return _Kind.VARIABLES
        case ("include", _):
            return _Kind.INCLUDED
        case ("extends", _):
            return _Kind.EXTENDED
        case ("file", _Kind.EXTENDED):
            return _Kind.INCLUDED
        case ("project_directory", _Kind.INCLUDED):
            raise ValueError("sets project_directory")
        case ("<<" | "path", _):
            return kind
        case _:
            return _Kind.OTHER


def _found(path: str, kind: _Kind) -> Named:
    if "$" in path:
        raise ValueError(f"fills in the path {path!r}")
    return Named(path=path, is_compose=kind is _Kind.INCLUDED)
