"""Azure Pipelines: predefined variables, logging commands.

Variables are those of Microsoft's "Use predefined variables", commands those of its "Logging
commands", and their escapes those of `Command` in microsoft/azure-pipelines-agent, which takes
`##vso[` for a command anywhere in a line. SYSTEM_PULLREQUEST_ISFORK is set in every build of a
pull request; a build that somebody starts by hand on refs/pull/N/merge has none of these. The
default branch is not told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.ci import variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "azure"
_COMMAND: Final = re.compile(r"##(?=(?:vso)?\[)", re.IGNORECASE)
_ESCAPES: Final = (("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTIES: Final = (("]", "%5D"), (";", "%3B"))


def _context(env: Mapping[str, str], _directory: str, _read_text: ReadText) -> RunContext:
    """Read what Azure knows about this run from its variables."""
    run = RunContext(
        ci=_NAME, event=env.get("BUILD_REASON", ""), commit=env.get("BUILD_SOURCEVERSION", "")
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
    return run.pushed(
        env.get("BUILD_SOURCEBRANCH", ""), env.get("BUILD_SOURCEVERSIONMESSAGE", ""), owner
    )


def _branch(name: str) -> str:
    """Return a branch's name, which comes in full or not."""
    return name.removeprefix("refs/heads/")


def _inert(text: str) -> str:
    """Break what the agent would take for a command."""
    return _COMMAND.sub("## ", text)


def _open_group(title: str) -> None:
    print(f"##[group]{_inert(title)}")


def _close_group() -> None:
    print("##[endgroup]")


def _warning(text: str, file: str = "", line: int = 0) -> None:
    """Show a warning on the run's page."""
    place = f"sourcepath={_escaped(file, *_IN_PROPERTIES)};linenumber={line};" if file else ""
    print(f"##vso[task.logissue type=warning;{place}]{_escaped(text)}")


def _fail(text: str) -> None:
    """Show an error on the run's page."""
    print(f"##vso[task.logissue type=error;]{_escaped(text)}")


def _mask(secret: str) -> None:
    """Have the agent hide a text, each line of it, for it compares line by line."""
    for line in secret.splitlines():
        if line.strip():
            print(f"##vso[task.setsecret]{_escaped(line)}")


def _publish(_env: Mapping[str, str], outputs: Mapping[str, str], _summary: str) -> None:
    """Set output variables, which later steps read as $(NAME.WARMBUILD_DIGEST)."""
    for name, value in variables.named(outputs).items():
        print(f"##vso[task.setvariable variable={name};isOutput=true]{_escaped(value)}")


def _escaped(text: str, *more: tuple[str, str]) -> str:
    for plain_text, escaped in (*_ESCAPES, *more):
        text = text.replace(plain_text, escaped)
    return text


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("TF_BUILD", "").lower() == "true",
    context=_context,
    # The name that Azure proposes.
    pipeline_file=lambda _env: "azure-pipelines.yml",
    inert=_inert,
    open_group=_open_group,
    close_group=_close_group,
    warning=_warning,
    fail=_fail,
    mask=_mask,
    publish=_publish,
)
