from __future__ import annotations

import time

import pytest
import yaml

from warmbuild.inputs.bounded_yaml import Loader, reason


def read(text: str) -> object:
    return Loader(text).get_single_data()


def test_a_mapping_has_a_hundred_keys_at_most() -> None:
    many = [f"k{number}: 1" for number in range(101)]
    assert read("{" + ", ".join(many[:100]) + "}") == {f"k{number}": 1 for number in range(100)}
    with pytest.raises(yaml.YAMLError, match="more than 100 keys"):
        read("{" + ", ".join(many) + "}")


def test_aliases_do_not_multiply_what_they_name() -> None:
    levels = [
        f"- &a{level + 1} {{{', '.join(f'<<: *a{level}' for _ in range(9))}}}" for level in range(3)
    ]
    with pytest.raises(yaml.YAMLError):
        read("\n".join(["- &a0 {a: 1, b: 2, c: 3}", *levels]))


@pytest.mark.parametrize(
    "level", ["[", "{", "- ", "? ", "[{", "[? ", "- [", "&a [", "!!seq [", "\n["]
)
def test_a_text_has_a_hundred_levels_at_most(level: str) -> None:
    begun = time.process_time()
    with pytest.raises(yaml.YAMLError) as caught:
        read(level * 50_000)
    assert reason(caught.value) == "is nested too deeply"
    # It takes 0.01 s of a processor, and more than 1 s without the limit.
    assert time.process_time() - begun < 1


def test_ninety_levels_are_read() -> None:
    found = read("[" * 90 + "]" * 90)
    for _ in range(89):
        assert isinstance(found, list)
        (found,) = found
    assert found == []


def test_a_text_that_is_not_what_its_tag_says_is_no_yaml() -> None:
    with pytest.raises(yaml.YAMLError):
        read("2026-99-99")
