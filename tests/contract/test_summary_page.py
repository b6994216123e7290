"""docs/summary.md shows a summary as it is."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_example_is_a_summary_of_the_golden_files(read: Callable[[str], str]) -> None:
    _, example = read("docs/summary.md").split("\n---\n")
    scenes = re.split(r"^(?=\S)", read("tests/golden/outcomes.txt"), flags=re.MULTILINE)
    (said,) = (one for one in scenes if one.startswith("findings and warnings\n"))
    summary = dedent(said.partition("\n")[2]).partition("### ")[2]
    assert example.strip() == f"### {summary}".strip(), "copy the summary from the golden file"
