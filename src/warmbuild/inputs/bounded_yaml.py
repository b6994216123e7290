"""YAML in which neither aliases nor levels can take more time than the length of the text."""

from __future__ import annotations

from typing import Final

import yaml

# Keys of a mapping with those that it merges. No input has more than five.
_MOST_KEYS: Final = 100
# Levels of lists and mappings. No input has more than four, and compose files have about ten.
_MOST_LEVELS: Final = 100


class _DepthError(yaml.YAMLError):
    """A text has too many levels."""


class Loader(yaml.SafeLoader):
    """Reads YAML without building objects of other types."""

    def add_indent(self, column: int) -> bool:
        """Begin a level of a block; raises YAMLError for too many levels."""
        self._check_levels()
        return bool(super().add_indent(column))

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803 (its base's)
        """Begin a level in brackets or braces; raises YAMLError for too many levels."""
        self._check_levels()
        super().fetch_flow_collection_start(TokenClass)

    def _check_levels(self) -> None:
        if self.flow_level + len(self.indents) > _MOST_LEVELS:
            raise _DepthError

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge mappings; raises YAMLError for too many keys."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise yaml.YAMLError(f"a mapping has more than {_MOST_KEYS} keys")

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002 (its base's)
        """Build an object; raises YAMLError if a text is not what its tag says."""
        try:
            return super().construct_object(node, deep=deep)
        except (AttributeError, KeyError, ValueError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(None, None, None, node.start_mark) from error


def read(text: str) -> object:
    """Read YAML; raises ValueError with what is wrong, without quoting the text."""
    try:
        found: object = Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(reason(error)) from error
    return found


def reason(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text and where, without quoting the text."""
    if isinstance(error, _DepthError):
        return "is nested too deeply"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f"is not YAML{f', at line {mark.line + 1}, column {mark.column + 1}' if mark else ''}"
