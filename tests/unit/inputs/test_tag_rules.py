from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.errors import InputError
from warmbuild.inputs import tag_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("type=semvar,pattern=x", "type=semvar does not exist. Did you mean 'semver'?"),
        ("type=semver", "type=semver needs pattern=."),
        ("type=match,group=1", "type=match needs pattern=."),
        ("type=ref", "type=ref needs event=."),
        (
            "type=ref,event=prs",
            "event=prs is not accepted; use branch, tag or pr. Did you mean 'pr'?",
        ),
        ("type=sha,format=tiny", "format=tiny is not accepted; use short or long."),
        ("type=sha,patternn=x", "type=sha has no attribute 'patternn'."),
        (
            "type=semver,patternn=x",
            "type=semver has no attribute 'patternn'. Did you mean 'pattern'?",
        ),
        ("type=raw", "type=raw needs value=."),
        ("type=raw,value=a,priority=high", "priority=high is not a number."),
        ("type=raw,value=a,enable=yes", "enable=yes is not accepted; use true or false."),
        (
            "type=match,pattern=(,group=1",
            (
                "pattern=( is not a regular expression: missing ), unterminated subpattern at "
                "position 0."
            ),
        ),
        ("type=match,pattern=x,group=a", "group=a is not a number."),
        ("type=raw,value={{branchh}}", "{{branchh}} is not supported here. Did you mean 'branch'?"),
        ("type=raw,value={{#if tag}}x{{/if}}", "{{#if tag}} is not an expression"),
        ("type=raw,value={{branch", "a {{ has no }}"),
        ("type=semver,pattern={{version}}-{{date 'Y'}}", "{{date}} is not supported here."),
        ("type=raw,value={{date 'Y' tz='Mars/Base'}}", "the time zone 'Mars/Base' does not exist."),
    ],
)
def test_a_rule_that_cannot_be_read(line: str, problem: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the text is compared)
        tag_rules.read(line)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        ({"flavor": "latest=yes"}, "flavor", "'latest=yes' is not accepted."),
        ({"flavor": "onlatest=true"}, "flavor", "'onlatest=true' is not accepted."),
        ({"flavor": "suffixx=a"}, "flavor", "'suffixx=a' is not accepted. Did you mean 'suffix'?"),
        (
            {"images": "namee=a"},
            "images",
            "'namee=a' has the unknown attribute 'namee'. Did you mean 'name'?",
        ),
        ({"images": "a,enable=1"}, "images", "'a,enable=1': enable must be true or false."),
        (
            {"tags": "type=shaw"},
            "tags",
            "'type=shaw' cannot be read: type=shaw does not exist. Did you mean 'sha'?",
        ),
        ({"annotations": "key"}, "annotations", "'key' is not accepted; use name=value."),
        (
            {"tags": "type=sha", "labels": "a={{branchy}}"},
            "labels",
            (
                "'a={{branchy}}' cannot be read: {{branchy}} is not supported here. "
                "Did you mean 'branch'?"
            ),
        ),
        (
            {"tags": "type=sha", "annotations": "a={{branchy}}"},
            "annotations",
            (
                "'a={{branchy}}' cannot be read: {{branchy}} is not supported here. "
                "Did you mean 'branch'?"
            ),
        ),
        (
            {"tags": "type=semver,pattern={{version}},match=("},
            "tags",
            (
                "'type=semver,pattern={{version}},match=(' cannot be read: match=( is not a "
                "regular expression: missing ), unterminated subpattern at position 0."
            ),
        ),
        (
            {"tags": "nightly,enabled=true"},
            "tags",
            (
                "'nightly,enabled=true' cannot be read: type=raw has no attribute 'enabled'. "
                "Did you mean 'enable'?"
            ),
        ),
    ],
)
def test_bad_input(
    parsed: Callable[..., Inputs], given: dict[str, str], name: str, text: str
) -> None:
    with pytest.raises(InputError) as raised:
        parsed(**given)
    assert {problem.name: problem.text for problem in raised.value.problems}[name] == text


@pytest.mark.parametrize("tags", ["type=sha", "type=sha\nghcr.io/a/b:c"])
def test_rules_need_an_image(parsed: Callable[..., Inputs], tags: str) -> None:
    with pytest.raises(InputError, match="has rules, but there is no image to tag; set image"):
        parsed(image="", tags=tags)
