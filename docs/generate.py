#!/usr/bin/env python3
"""Writes the tables of inputs, outputs and exit codes into every front door, and of registries.

Only the lines between a `begin NAME` and an `end NAME` are written, all others are by hand.
With `--check` nothing is, and the exit code is 1 where a file would change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import __version__, errors
from warmbuild.ci import gitlab
from warmbuild.inputs.table import TABLE, VARIABLES, Input, Kind, variable
from warmbuild.report.outputs import OUTPUTS
from warmbuild.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGE: Final = "ghcr.io/warmbuild/warmbuild"

# GitLab shows an input's value to everybody who may see the pipeline's configuration.
_COMPONENT_ROWS: Final = tuple(row for row in TABLE if not row.secret)
# The artifacts of the component's job have the report, and a file of another name is none of them.
_COMPONENT_DEFAULTS: Final = {"report-file": gitlab.REPORT}
_PUBLISHED: Final = re.compile(r"^  image: docker://(\S+)$", re.MULTILINE)
_EXIT_CODE: Final = re.compile(r"^ +\+-- \w+ +(\d+) +(.+)$", re.MULTILINE)


def main() -> int:
    """Write the files, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what would change")
    check = parser.parse_args().check
    stale = 0
    for name, regions in _files().items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        rendered = _filled(text, regions)
        if rendered == text:
            continue
        stale += 1
        print(f"{name} is not as the table is" if check else f"{name} is written")
        if not check:
            path.write_text(rendered, encoding="utf-8")
    return 1 if check and stale else 0


def _files() -> Mapping[str, Mapping[str, Iterator[str]]]:
    return {
        "action.yml": {"inputs": _action_inputs(), "outputs": _action_outputs()},
        "gitlab-component/templates/build.yml": {
            "inputs": _component_inputs(),
            "variables": _component_variables(),
        },
        "docs/reference.md": {
            "inputs": _input_rows(),
            "variables": _variable_rows(),
            "outputs": _output_rows(),
            "exit codes": _exit_code_rows(),
        },
        "docs/registries.md": {"places": _place_rows(), "logins": _login_rows()},
    }


def _filled(text: str, regions: Mapping[str, Iterator[str]]) -> str:
    for name, lines in regions.items():
        begin = re.search(rf"^.*\bbegin {name}\b.*\n", text, re.MULTILINE)
        end = re.search(rf"^.*\bend {name}\b", text, re.MULTILINE)
        if not begin or not end:
            raise ValueError(f"there is no region {name!r}")
        body = "".join(f"{line}\n" for line in lines)
        text = text[: begin.end()] + body + text[end.start() :]
    return text


def _action_inputs() -> Iterator[str]:
    for row in TABLE:
        yield f"  {row.name}:"
        yield f"    description: {_quoted(_described(row))}"
        if default := row.action_default or row.default:
            yield f"    default: {_quoted(default)}"


def _action_outputs() -> Iterator[str]:
    for output in OUTPUTS.values():
        yield f"  {output.name}:"
        yield f"    description: {_quoted(output.help)}"


def _component_inputs() -> Iterator[str]:
    yield "    warmbuild-image:"
    yield '      description: "Image of warmbuild; name your mirror of it here."'
    yield f"      default: {_quoted(_image())}"
    for row in _COMPONENT_ROWS:
        yield f"    {row.name}:"
        yield f"      description: {_quoted(_described(row))}"
        yield f"      default: {_quoted(_COMPONENT_DEFAULTS.get(row.name, row.default))}"
        if options := _options(row):
            yield f"      options: [{', '.join(map(_quoted, options))}]"


def _image() -> str:
    """Return the image that action.yml names by digest, in the commit of a release, or its tag."""
    named = _PUBLISHED.search((ROOT / "action.yml").read_text(encoding="utf-8"))
    return named[1] if named else f"{IMAGE}:v{__version__}"


def _component_variables() -> Iterator[str]:
    for row in _COMPONENT_ROWS:
        yield f'    {variable(row.name)}: "$[[ inputs.{row.name} ]]"'


def _input_rows() -> Iterator[str]:
    yield "| Input | Kind | Default | What it is |"
    yield "| --- | --- | --- | --- |"
    for row in TABLE:
        kind = ", ".join([row.kind.value, *(["secret"] if row.secret else [])])
        choices = f" One of {_listed(row.choices)}." if len(row.choices) > 1 else ""
        default = f"`{row.default}`" if row.default else ""
        yield f"| `{row.name}` | {kind} | {default} | {_cell(row.help)}{choices} |"


def _variable_rows() -> Iterator[str]:
    yield "| Variable | Default | What it is |"
    yield "| --- | --- | --- |"
    for row in VARIABLES:
        yield f"| `{row.name}` | `{row.default}` | {_cell(row.help)} |"


def _output_rows() -> Iterator[str]:
    yield "| Output | What it is |"
    yield "| --- | --- |"
    for output in OUTPUTS.values():
        yield f"| `{output.name}` | {_cell(output.help)} |"


def _exit_code_rows() -> Iterator[str]:
    yield "| Code | What it means |"
    yield "| ---: | --- |"
    yield "| 0 | fine |"
    yield "| 1 | a bug in warmbuild |"
    for code, text in _EXIT_CODE.findall(errors.__doc__ or ""):
        yield f"| {code} | {_cell(text)} |"


def _place_rows() -> Iterator[str]:
    yield (
        "| Registry | Repository | Before the first push | If it is missing "
        "| Where tags are immutable | Cache manifests |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for vendor in VENDORS:
        cells = (
            vendor.path,
            vendor.create.format(path="NAME") or "nothing",
            " or ".join(map(str, vendor.missing)),
            vendor.mutable or "tags are always mutable",
            vendor.accepts,
        )
        yield f"| {vendor.name} | {' | '.join(map(_cell, cells))} |"


def _login_rows() -> Iterator[str]:
    yield "| Registry | Login | What a cache needs | Limits |"
    yield "| --- | --- | --- | --- |"
    for vendor in VENDORS:
        cells = (vendor.login, vendor.permission, vendor.limits)
        yield f"| {vendor.name} | {' | '.join(map(_cell, cells))} |"


def _described(row: Input) -> str:
    """Return the help, and what the type of a front door's input cannot say: always text."""
    text = row.help
    if row.kind not in (Kind.TEXT, Kind.BOOLEAN):
        text += f" A {row.kind.value}."
    if len(row.choices) > 1:
        text += f" One of {', '.join(row.choices)}."
    return text


def _options(row: Input) -> tuple[str, ...]:
    if row.kind is Kind.BOOLEAN:
        return ("true", "false") if row.default else ("", "true", "false")
    return row.choices


def _quoted(text: str) -> str:
    """Return a YAML scalar: a JSON string is one."""
    return json.dumps(text, ensure_ascii=False)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
