"""argv, environment and signals in, exit codes out."""

from __future__ import annotations

import argparse
import io
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from warmbuild import __version__, ci, files, lazy, process, signals
from warmbuild.commands.run import Run
from warmbuild.errors import InputError, InputProblem, Stopped, WarmbuildError
from warmbuild.inputs import parsing, table
from warmbuild.inputs.table import Kind
from warmbuild.log import Log

if TYPE_CHECKING:
    import platform
    import traceback
    from collections.abc import Mapping, Sequence

    from warmbuild.ci.provider import Provider
    from warmbuild.commands import build, plan
    from warmbuild.project import git_objects
else:
    # Only a bug needs these, and a plan does without the modules that build.
    platform = lazy.module("platform")
    traceback = lazy.module("traceback")
    build = lazy.module("warmbuild.commands.build")
    plan = lazy.module("warmbuild.commands.plan")
    git_objects = lazy.module("warmbuild.project.git_objects")

_BUG: Final = 1


def entry() -> NoReturn:
    """Run the command line of this process, and end it at once.

    Taking the interpreter down in order costs 25 ms, 4 % of a rebuild that is all cached, and
    there is nothing left to do: everything that must go is gone when `main` returns.
    """
    code = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    os._exit(code)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command line and return its exit code; see `errors` for what they mean."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A child writes to the same stream, and what it says belongs between our lines.
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    signals.install()
    provider = ci.detect(env)
    log = Log(provider)
    try:
        return _command(argv, env, provider, log)
    except Stopped as stopped:
        log.fail(f"warmbuild was {stopped}; what it had made is removed")
        return stopped.code
    except WarmbuildError as error:
        log.fail(str(error))
        return error.exit_code
    except Exception:  # noqa: BLE001 (the last line of defence: a bug of ours)
        _report_bug(log)
        return _BUG


def _command(argv: Sequence[str], env: Mapping[str, str], provider: Provider, log: Log) -> int:
    arguments, unknown = _parser().parse_known_args(argv)
    if arguments.ci:
        provider = ci.named(arguments.ci)
        log.write_as(provider)
    given = parsing.gather(_flags(arguments, unknown), env)
    log.hide(given.get(row.name, "") for row in table.TABLE if row.secret)
    known = provider.known_inputs(env, given)
    asked = parsing.parse(given, known)
    log.hide(asked.secret_values)
    context = provider.context(env, str(Path.cwd()), files.read_text)
    if asked.tag_rules:
        # The same for every event of a commit, and there where an event does not tell of it.
        made = git_objects.committed(Path.cwd(), context.commit)
        context = replace(context, committed=made or context.committed)
    run = Run(
        inputs=asked,
        context=context.told(branch=asked.branch, default_branch=asked.default_branch).at_time(
            datetime.now(UTC), env.get("SOURCE_DATE_EPOCH", "")
        ),
        env=env,
        log=log,
        provider=provider,
        runner=process.started,
    )
    if arguments.command == "build" and not asked.plan_only:
        build.build(run)
    else:
        plan.plan(run, as_json=arguments.command == "plan" and arguments.format == "json")
    return 0


def _flags(arguments: argparse.Namespace, unknown: Sequence[str]) -> Mapping[str, str]:
    """Return the inputs given as flags; raises InputError for flags that there are not."""
    flags = {
        row.name: "\n".join(values)
        for row in table.TABLE
        if (values := getattr(arguments, row.field, None))
    }
    if arguments.password_stdin:
        flags["password"] = sys.stdin.readline().rstrip("\r\n")
    named = False
    for text in unknown:
        name, equals, _ = text.removeprefix("--").partition("=")
        if text.startswith("--"):
            # Reported with every other problem, as an input that there is not.
            flags[name] = text
            named = not equals
        elif named:
            named = False
        else:
            raise InputError([InputProblem(name=repr(text), text="is not expected here.")])
        if name in _SECRET:
            reason = f"is secret, and arguments are not; set {table.variable(name)} instead."
            raise InputError([InputProblem(name=name, text=reason)])
    return flags


_SECRET: Final = tuple(row.name for row in table.TABLE if row.secret)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other wrong input is."""

    def error(self, message: str) -> NoReturn:
        raise InputError([InputProblem(name="command line", text=f"{message}.")])


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False, allow_abbrev=False)
    common.add_argument("--ci", choices=ci.NAMES, help="take this for the CI system")
    common.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    group = common.add_argument_group(
        "inputs",
        "each is also read from the environment, as INPUT_NAME with underscores or hyphens; "
        f"secret ones ({', '.join(_SECRET)}) from there alone",
    )
    for row in table.TABLE:
        if row.secret:
            continue
        text = row.help.replace("%", "%%")
        if row.kind is Kind.BOOLEAN:
            group.add_argument(
                f"--{row.name}",
                action="append",
                nargs="?",
                const="true",
                metavar="true|false",
                help=text,
            )
        else:
            metavar = "|".join(row.choices) or row.field.upper()
            group.add_argument(f"--{row.name}", action="append", metavar=metavar, help=text)
    parser = _Parser(
        prog="warmbuild",
        description="Docker image builds in CI that start warm.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "build",
        parents=[common],
        allow_abbrev=False,
        help="build and push an image, warm",
        description="Build and push an image with a cache per branch in the registry.",
    )
    planner = commands.add_parser(
        "plan",
        parents=[common],
        allow_abbrev=False,
        help="say what build would do, and start nothing",
        description="Say what build would do and why. Nothing is started or contacted.",
    )
    planner.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _report_bug(log: Log) -> None:
    for line in traceback.format_exc().splitlines():
        log.line(line)
    log.fail(
        f"this is a bug in warmbuild {__version__} (Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}). Please report it with the lines above."
    )
