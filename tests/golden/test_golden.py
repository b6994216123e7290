from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.golden.scene import DIRECTORY
from tests.golden.scenes import SUBJECTS
from tests.golden.sentences import of_module, sentences, spaced

if TYPE_CHECKING:
    from tests.golden.scene import Subject


@pytest.mark.processes
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_warmbuild_says_what_the_golden_file_has(
    subject: Subject, request: pytest.FixtureRequest
) -> None:
    text = subject.text()
    if request.config.getoption("--rewrite", default=False):
        subject.path.write_text(text, encoding="utf-8")
    held = subject.path.read_text(encoding="utf-8") if subject.path.exists() else ""
    assert text.splitlines() == held.splitlines(), "run `make golden` and read the diff"


def test_every_golden_file_has_a_subject() -> None:
    assert sorted(DIRECTORY.glob("*.txt")) == sorted(subject.path for subject in SUBJECTS)
