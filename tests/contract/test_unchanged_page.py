"""The examples of docs/unchanged.md use inputs and outputs that there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from warmbuild.inputs.table import BY_NAME
from warmbuild.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable


def test_examples_use_inputs_and_outputs_that_there_are(read: Callable[[str], str]) -> None:
    github, gitlab = re.findall(r"```yaml\n(.*?)```", read("docs/unchanged.md"), re.DOTALL)
    step, _ = yaml.safe_load(github)
    assert step["with"].keys() <= BY_NAME.keys()
    named = re.findall(rf"steps\.{step['id']}\.outputs\.([a-z-]+)", github)
    named += [name.lower() for name in re.findall(r"\$WARMBUILD_([A-Z]+)", gitlab)]
    assert sorted(named) == ["changed", "changed", "digest", "digest"]
    assert set(named) <= OUTPUTS.keys()
    assert yaml.safe_load(gitlab)["publish"]["script"]
