"""Frozen dataclasses whose methods are not generated.

CPython compiles six methods for each frozen dataclass with slots, which takes a third of the time
of `warmbuild plan`. The classes here share their methods. They are dataclasses in all other
respects: frozen, with slots, and with arguments by name only.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field

_Class = TypeVar("_Class", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: _Class) -> _Class:
    """Make a dataclass of the fields that a class annotates."""
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)
    made.__init__, made.__setattr__, made.__delattr__ = _init, _refuse, _refuse
    made.__eq__, made.__hash__, made.__repr__ = _eq, _hash, _repr
    return made  # type: ignore[no-any-return]  # dataclass makes a new class for the slots


def _fields(instance: object) -> tuple[Field[Any], ...]:
    return tuple(instance.__dataclass_fields__.values())  # type: ignore[attr-defined]  # it is one


def _init(self: object, **given: object) -> None:
    for row in _fields(self):
        if row.name in given:
            found = given.pop(row.name)
        elif row.default is not MISSING:
            found = row.default
        elif row.default_factory is not MISSING:
            found = row.default_factory()
        else:
            raise TypeError(f"{type(self).__name__} lacks {row.name}")
        object.__setattr__(self, row.name, found)
    if given:
        raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")


def _refuse(self: object, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__}.{name} is frozen")


def _compared(self: object) -> tuple[object, ...]:
    return tuple(getattr(self, row.name) for row in _fields(self) if row.compare)


def _eq(self: object, other: object) -> bool:
    return _compared(self) == _compared(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash(_compared(self))


def _repr(self: object) -> str:
    shown = (f"{row.name}={getattr(self, row.name)!r}" for row in _fields(self) if row.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"
