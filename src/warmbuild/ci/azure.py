"""Azure Pipelines: predefined variables, logging commands.

Variables are those of Microsoft's "Use predefined variables", commands those of its "Logging
commands", and their escapes those of `Command` in microsoft/azure-pipelines-agent, which takes
`##vso[` for a command anywhere in a line. SYSTEM_PULLREQUEST_ISFORK is set in every build of a
pull request; a build that somebody starts by hand on refs/pull/N/merge has none of these. The
default branch is not told.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext, merged_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "azure"
_COMMAND: Final = re.compile(r"##(?=(?:vso)?\[)", re.IGNORECASE)
_ESCAPES: Final = (("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTIES: Final = (("]", "%5D"), (";", "%3B"))


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return env.get("TF_BUILD", "").lower() == "true"


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Azure knows about this run from its variables."""
    run = RunContext(
        ci=NAME, event=env.get("BUILD_REASON", ""), commit=env.get("BUILD_SOURCEVERSION", "")
    )
    # GitHub's pull requests have both, and people know them by their number.
    number = env.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "") or env.get(
        "SYSTEM_PULLREQUEST_PULLREQUESTID", ""
    )
    if number:
        told = {"true": True, "false": False}
        return run.of_pull_request(
            number,
            source=_branch(env.get("SYSTEM_PULLREQUEST_SOURCEBRANCH", "")),
            target=_branch(env.get("SYSTEM_PULLREQUEST_TARGETBRANCH", "")),
            fork=told.get(env.get("SYSTEM_PULLREQUEST_ISFORK", "").lower()),
        )
    owner = env.get("BUILD_REPOSITORY_NAME", "").partition("/")[0]
    merged = merged_branch(env.get("BUILD_SOURCEVERSIONMESSAGE", ""), owner)
    found = run.at(env.get("BUILD_SOURCEBRANCH", ""))
    return replace(found, merged=merged) if found.branch else found


def _branch(name: str) -> str:
    """Return a branch's name, which comes in full or not."""
    return name.removeprefix("refs/heads/")


def inert(text: str) -> str:
    """Break what the agent would take for a command."""
    return _COMMAND.sub("## ", text)


def open_group(title: str) -> None:
    """Begin a part of the log that can be folded."""
    print(f"##[group]{inert(title)}")


def close_group() -> None:
    """End it."""
    print("##[endgroup]")


def warning(text: str, file: str = "", line: int = 0) -> None:
    """Show a warning on the run's page."""
    place = f"sourcepath={_escaped(file, *_IN_PROPERTIES)};linenumber={line};" if file else ""
    print(f"##vso[task.logissue type=warning;{place}]{_escaped(text)}")


def fail(text: str) -> None:
    """Show an error on the run's page."""
    print(f"##vso[task.logissue type=error;]{_escaped(text)}")


def mask(secret: str) -> None:
    """Have the agent hide a text, each line of it, for it compares line by line."""
    for line in secret.splitlines():
        if line.strip():
            print(f"##vso[task.setsecret]{_escaped(line)}")


def publish(env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:  # noqa: ARG001
    """Set output variables, which later steps read as $(NAME.WARMBUILD_DIGEST)."""
    for name, value in variables.named(outputs).items():
        print(f"##vso[task.setvariable variable={name};isOutput=true]{_escaped(value)}")


def _escaped(text: str, *more: tuple[str, str]) -> str:
    for plain_text, escaped in (*_ESCAPES, *more):
        text = text.replace(plain_text, escaped)
    return text


known_inputs = plain.known_inputs
publish_findings = plain.publish_findings
output_files = plain.output_files
later_file = plain.later_file


def pipeline_file(env: Mapping[str, str]) -> str:  # noqa: ARG001
    """Return the name that Azure proposes."""
    return "azure-pipelines.yml"
