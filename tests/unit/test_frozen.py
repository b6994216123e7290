from __future__ import annotations

from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace

import pytest

from warmbuild.frozen import frozen


@frozen
class Point:
    """Two numbers."""

    x: int
    y: int = 2
    tags: tuple[str, ...] = field(default_factory=tuple)
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)


@frozen
class Other:
    """The same fields under another name."""

    x: int


def test_it_is_a_dataclass() -> None:
    assert [one.name for one in fields(Point)] == ["x", "y", "tags", "secret", "note"]
    point = Point(x=1)
    assert replace(point, y=3) == Point(x=1, y=3)
    assert is_dataclass(point)


def test_it_has_slots_and_is_frozen() -> None:
    point = Point(x=1)
    assert not hasattr(point, "__dict__")
    with pytest.raises(FrozenInstanceError, match=r"Point\.x is frozen"):
        point.x = 2  # type: ignore[misc]  # what is tested
    with pytest.raises(FrozenInstanceError, match=r"Point\.y is frozen"):
        del point.y


def test_arguments_have_names_and_are_checked() -> None:
    assert (Point(x=1).y, Point(x=1).tags) == (2, ())
    with pytest.raises(TypeError, match="Point lacks x"):
        Point()  # type: ignore[call-arg]  # what is tested
    with pytest.raises(TypeError, match="Point has no z"):
        Point(x=1, z=2)  # type: ignore[call-arg]  # what is tested
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]  # what is tested


def test_equal_fields_make_equal_values_of_one_class() -> None:
    assert Point(x=1) == Point(x=1, note="another")
    assert Point(x=1) != Point(x=2)
    another: object = Other(x=1)
    assert Point(x=1) != another
    assert len({Point(x=1), Point(x=1, note="another"), Point(x=2)}) == 2


def test_a_field_may_be_hidden() -> None:
    assert repr(Point(x=1, secret="hunter2")) == "Point(x=1, y=2, tags=(), note='')"
