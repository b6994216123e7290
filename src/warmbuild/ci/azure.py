"""Azure Pipelines: predefined variables, logging commands.

The variables are documented in Microsoft's "Use predefined variables", the commands in its
"Logging commands". The escapes are those of `Command` in microsoft/azure-pipelines-agent. Azure
sets SYSTEM_PULLREQUEST_ISFORK in every build of a pull request, but not in a manual build of
refs/pull/N/merge, and never names the default branch.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files, trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, LossError, Provider, say
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = "azure"
# Builds of pull requests also show their source. After another pipeline, the ref shows its own.
_TRUSTED: Final = frozenset(
    ("Manual", "IndividualCI", "BatchedCI", "Schedule", "BuildCompletion", "ResourceTrigger")
) | {"PullRequest"}
# Relative to the working directory.
_SUMMARY: Final = "warmbuild-summary.md"
_ESCAPES: Final = (("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTIES: Final = (("]", "%5D"), (";", "%3B"))


def _context(env: Environment, *_: object) -> RunContext:
    event = env.get("BUILD_REASON", "")
    run = RunContext(
        ci=_NAME,
        event=event,
        commit=env.get("BUILD_SOURCEVERSION", ""),
        trust=trust.of_event(event, _TRUSTED, variable="BUILD_REASON"),
    )
    # A pull request of GitHub has both; people know it by the number.
    number = env.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") or env.get(
        "SYSTEM_PULLREQUEST_PULLREQUESTID"
    )
    if number:
        is_fork = {"true": True, "false": False}
        return run.of_pull_request(
            number,
            source=_branch(env.get("SYSTEM_PULLREQUEST_SOURCEBRANCH", "")),
            target=_branch(env.get("SYSTEM_PULLREQUEST_TARGETBRANCH", "")),
            fork=is_fork.get(env.get("SYSTEM_PULLREQUEST_ISFORK", "").lower()),
        )
    owner = env.get("BUILD_REPOSITORY_NAME", "").partition("/")[0]
    return run.pushed(
        env.get("BUILD_SOURCEBRANCH", ""), env.get("BUILD_SOURCEVERSIONMESSAGE", ""), owner
    )


def _branch(name: str) -> str:
    """Return the name of a branch, which Azure gives with or without refs/heads/."""
    return name.removeprefix("refs/heads/")


def _issue(kind: str, text: str, file: str, line: int) -> None:
    place = f"sourcepath={_escaped(file, *_IN_PROPERTIES)};linenumber={line};" if file else ""
    say(f"##vso[task.logissue type={kind};{place}]{_escaped(text)}")


def _publish(_env: Environment, outputs: Mapping[str, str]) -> None:
    """Set output variables, which later steps read as $(NAME.WARMBUILD_DIGEST)."""
    for name, value in variables.named(outputs).items():
        say(f"##vso[task.setvariable variable={name};isOutput=true]{_escaped(value)}")


def _summary_file(env: Environment) -> Path | None:
    """Return the file of the summary, if the agent has it under the same name.

    The agent fails a step that names a file which it does not find (TaskCommandExtension of
    microsoft/azure-pipelines-agent), so the sources have to be mounted where they are.
    """
    sources, here = env.get("SYSTEM_DEFAULTWORKINGDIRECTORY"), Path.cwd()
    return here / _SUMMARY if sources and here.is_relative_to(sources) else None


def _summarize(env: Environment, summary: str) -> bool:
    """Have the agent show the summary on the run's page."""
    path = _summary_file(env)
    if path is None:
        return False
    try:
        files.write_text(path, summary)
    except OSError as error:
        raise LossError(f"the summary could not be written: {error.strerror}") from error
    say(f"##vso[task.uploadsummary]{_escaped(str(path))}")
    return True


def _output_files(env: Environment) -> tuple[Path, ...]:
    path = _summary_file(env)
    return (path,) if path else ()


def _escaped(text: str, *more: tuple[str, str]) -> str:
    for character, escape in (*_ESCAPES, *more):
        text = text.replace(character, escape)
    return text


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("TF_BUILD", "").lower() == "true",
    context=_context,
    pipeline_file=lambda _env: "azure-pipelines.yml",  # the name that Azure proposes
    open_group=lambda title: say(f"##[group]{title}"),
    close_group=lambda _title: say("##[endgroup]"),
    warning=partial(_issue, "warning"),
    fail=partial(_issue, "error"),
    mask=lambda secret: say(f"##vso[task.setsecret]{_escaped(secret)}"),
    publish=_publish,
    summarize=_summarize,
    output_files=_output_files,
)
