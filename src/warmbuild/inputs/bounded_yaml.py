"""YAML of inputs, in which aliases cannot multiply what they name."""

from __future__ import annotations

from typing import Final

import yaml

# Keys of a mapping with those that it merges. No input has more than five.
_MOST_KEYS: Final = 100


class Loader(yaml.SafeLoader):
    """Reads YAML without building objects of other types."""

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
