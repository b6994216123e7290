"""Reads the names of the image: repositories, tags and rules for them, labels, annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import csv_attributes, refs
from warmbuild.inputs import checks, lists, tag_rules
from warmbuild.inputs.reading import TRUE
from warmbuild.inputs.tag_rules import Flavor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.inputs.reading import Reader
    from warmbuild.inputs.tag_rules import Rule
    from warmbuild.refs import Reference


def tags(reader: Reader) -> tuple[tuple[str, ...], tuple[Rule, ...]]:
    """Return names and references, and the rules among them.

    If there is a rule, or an input that only rules use, a name is read as a rule too. So it is if
    there is no image, because only the names are asked for.
    """
    texts = [text for text in reader.values["tags"].splitlines() if not text.startswith("#")]
    rules: list[Rule] = []
    for line in map(str.strip, filter(tag_rules.is_rule, texts)):
        try:
            rules.append(tag_rules.read(line))
        except ValueError as error:
            reader.bad("tags", f"{line!r} cannot be read: {error}")
    try:
        items = lists.words("\n".join(text for text in texts if not tag_rules.is_rule(text)))
    except ValueError as error:
        reader.bad("tags", f"{reader.shown('tags')} cannot be read: {error}.")
        items = ()
    full = tuple(item for item in items if not refs.is_tag(item))
    for item in full:
        try:
            refs.parse(item)
        except ValueError as error:
            reader.bad("tags", f"{item!r} is neither a tag nor an image reference: {error}.")
    is_alone = is_metadata_alone(reader) and not full
    if not (rules or reader.text("flavor") or reader.text("images") or is_alone):
        return items, ()
    rules += [tag_rules.raw(item) for item in items if refs.is_tag(item)]
    return full, tuple(rules) or tag_rules.defaults()


def images(reader: Reader, tags: Sequence[str], rules: Sequence[Rule]) -> tuple[Reference, ...]:
    """Return the repositories; if there are none, check that none is needed."""
    listed = [("images", item) for item in _enabled(reader)]
    # The CI system's own image is the default of `image`, which `images` replaces.
    if not reader.text("images"):
        listed = [("image", item) for item in reader.items("image")]
    found = [repository(reader, name, item) for name, item in listed]
    if not listed and not reader.text("images") and not is_metadata_alone(reader):
        names = [tag for tag in tags if refs.is_tag(tag)]
        if names:
            reader.bad("tags", f"{names[0]!r} is a tag without an image; set image.")
        elif rules and not (tags and rules == tag_rules.defaults()):
            reader.bad("tags", "has rules, but there is no image to tag; set image.")
        elif not tags and _needs_name(reader):
            text = "is missing, and push is true; set it to the image's repository, such as "
            text += "ghcr.io/me/app."
            reader.bad("image", text)
    return tuple(filter(None, found))


def is_metadata_alone(reader: Reader) -> bool:
    """Return whether no image is built, and none is named: the names have no repository then."""
    is_built = reader.text("push") in TRUE or reader.text("plan-only") not in TRUE
    return not (is_built or reader.has_files or reader.text("image") or reader.text("images"))


def repository(reader: Reader, name: str, value: str) -> Reference | None:
    """Read a reference without a tag or digest."""
    try:
        reference = refs.parse(value)
    except ValueError as error:
        reader.bad(name, f"{reader.shown(name, value)} is not a repository: {error}.")
        return None
    if reference.tag or reference.digest:
        text = "has a tag or digest; set the repository only, and use tags for its tags."
        reader.bad(name, f"{reader.shown(name, value)} {text}")
    return reference


def described(reader: Reader, name: str, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return labels or annotations; they may have expressions if there are rules for tags."""
    items = _uncommented(reader, name)
    for item in items:
        if wrong := checks.pair(item):
            reader.bad(name, f"{item!r} {wrong}")
        elif rules:
            try:
                tag_rules.check_expressions(item)
            except ValueError as error:
                reader.bad(name, f"{item!r} cannot be read: {error}")
    return items


def flavor(reader: Reader) -> Flavor:
    """Return the settings for all tags."""
    try:
        return tag_rules.flavor(_uncommented(reader, "flavor"))
    except ValueError as error:
        reader.bad("flavor", str(error))
        return Flavor()


def _enabled(reader: Reader) -> tuple[str, ...]:
    """Return the repositories of `images` that are enabled."""
    found: list[str] = []
    for line in _uncommented(reader, "images"):
        values, names = {"enable": "true"}, []
        for part in csv_attributes.fields(line):
            name, equals, value = (text.strip() for text in part.partition("="))
            if equals and name.lower() != "name":
                values[name.lower()] = value
            else:
                names.append((value if equals else name).lower())
        if unknown := values.keys() - {"enable"}:
            near = checks.nearest(min(unknown), ("name", "enable"))
            reader.bad("images", f"{line!r} has the unknown attribute {min(unknown)!r}.{near}")
        elif values["enable"] not in {"true", "false"}:
            reader.bad("images", f"{line!r}: enable must be true or false.")
        elif values["enable"] == "true" and not any(names):
            reader.bad("images", f"{line!r} has no name.")
        elif values["enable"] == "true":
            found += filter(None, names)
    return tuple(found)


def _uncommented(reader: Reader, name: str) -> tuple[str, ...]:
    """Return the lines without comments, which docker/metadata-action has too."""
    return tuple(item for item in reader.items(name) if not item.startswith("#"))


def _needs_name(reader: Reader) -> bool:
    """Return whether the result needs a name."""
    if reader.text("call") not in ("", "build") or reader.has_files:
        return False
    return reader.text("push") in TRUE
