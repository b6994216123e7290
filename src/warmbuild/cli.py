"""argv, environment and signals in, exit codes out."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from warmbuild import __version__, ci, files, lazy, process, signals
from warmbuild.commands import confidential, confinement, mounted, naming_source
from warmbuild.commands.run import Run
from warmbuild.errors import EngineError, InputError, InputProblem, Stopped, WarmbuildError
from warmbuild.inputs import parsing, reading, table
from warmbuild.inputs.table import Kind
from warmbuild.log import Log
from warmbuild.plan import builders

if TYPE_CHECKING:
    import platform
    import traceback
    from collections.abc import Mapping, Sequence

    from warmbuild.ci.provider import Provider
    from warmbuild.commands import build, cleanup, explain, plan
    from warmbuild.inputs.table import Input
else:
    # Most runs need neither of the first two, and a plan does not need `build`.
    platform = lazy.module("platform")
    traceback = lazy.module("traceback")
    build = lazy.module("warmbuild.commands.build")
    cleanup = lazy.module("warmbuild.commands.cleanup")
    explain = lazy.module("warmbuild.commands.explain")
    plan = lazy.module("warmbuild.commands.plan")

# What a machine is short of, or has lost: space, files, memory, a disk, the reader of the log.
_OF_THE_MACHINE: Final = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
        *(errno.EIO, errno.EPIPE, errno.EAGAIN),
    }
)
# In characters; the longest are keys of service accounts, of some thousands.
_LONGEST_PASSWORD: Final = 64 * 1024
_SECRET: Final = tuple(row.name for row in table.TABLE if row.secret)


def entry() -> NoReturn:
    """Run the command line of this process, and exit at once.

    A regular exit of the interpreter takes 25 ms, 4 % of a fully cached rebuild, and is not
    needed: `main` has cleaned up when it returns.
    """
    code = main(sys.argv[1:], os.environ)
    signals.block()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command line and return its exit code, as `errors` defines them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Children write to the same stream; this keeps all lines in their order.
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        # As in the environment and in arguments, for the check of inputs.
        sys.stdin.reconfigure(errors="surrogateescape")
    provider = ci.detect(env)
    log = Log(provider)
    try:
        signals.install()
        log = _log(argv, env, provider)
        return _command(argv, env, provider, log)
    except Exception as error:  # noqa: BLE001 (the last resort: a bug in warmbuild)
        code, text = _failed(error, log)
        trace = "".join(traceback.format_exception(error)).rstrip("\n") if code == 1 else ""
        file, line = (error.file, error.line) if isinstance(error, WarmbuildError) else ("", 0)
        # The reader of the log may have gone.
        with suppress(OSError):
            log.fail(text, file, line, trace)
        return code


def _log(argv: Sequence[str], env: Mapping[str, str], provider: Provider) -> Log:
    """Return the log of a run in the form that its inputs ask for, also if others are wrong."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name in ("log-format", "quiet"):
        _add(parser, table.BY_NAME[name])
    flags: dict[str, str] = {}
    with suppress(InputError):
        arguments, _ = parser.parse_known_args(argv)
        flags = _given(arguments)
    given = {name: value.strip() for name, value in parsing.gather(flags, env).items()}
    is_quiet = given.get("quiet") in reading.TRUE
    return Log(provider, is_json=given.get("log-format") == "json", is_quiet=is_quiet)


def _failed(error: Exception, log: Log) -> tuple[int, str]:
    """Return the exit code of a failed run, and what is said of it."""
    if isinstance(error, Stopped):
        done = "everything it had created is removed" if log.is_clean else "not all is removed"
        return error.exit_code, f"warmbuild was {error}; {done}"
    if isinstance(error, WarmbuildError):
        return error.exit_code, str(error)
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        where = f" ({error.filename})" if error.filename else ""
        text = f"this machine does not let warmbuild go on: {error.strerror}{where}"
        return EngineError.exit_code, text
    return 1, (
        f"this is a bug in warmbuild {__version__} (Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}). Please report it with the lines above."
    )


def _command(argv: Sequence[str], env: Mapping[str, str], provider: Provider, log: Log) -> int:
    arguments, unknown = _parser().parse_known_args(argv)
    if arguments.command == "cleanup":
        _clean_up(arguments, unknown, env, log)
        return 0
    # A document of JSON is alone on standard output.
    is_document = getattr(arguments, "format", "text") == "json"
    with redirect_stdout(sys.stderr if is_document else sys.stdout):
        _run(arguments, unknown, env, provider, log)
    return 0


def _run(
    arguments: argparse.Namespace,
    unknown: Sequence[str],
    env: Mapping[str, str],
    provider: Provider,
    log: Log,
) -> None:
    """Read the inputs of a command, and run it."""
    if arguments.ci:
        provider = ci.named(arguments.ci)
    as_json = getattr(arguments, "format", "text") == "json"
    if as_json or not provider.detect(env):
        # A mask is a command that holds the secret: nothing hides it here.
        provider = replace(provider, mask=None)
    log.write_as(provider)
    flags = _flags(arguments, unknown)
    given = parsing.gather(flags, env)
    confidential.hide_given(given, log)
    ignored = {} if provider.refuses_unknown else parsing.ignored(given, flags)
    for text in ignored.values():
        log.warning(text, in_summary=False)
    given = {name: value for name, value in given.items() if name not in ignored}
    inputs, source = naming_source.placed(parsing.parse(given, provider.known_inputs(env, given)))
    shared = mounted.of_run(provider, env)
    mounted.check(inputs, shared, is_plan=arguments.command != "build" or inputs.plan_only)
    context = provider.context(env, _here(), files.read_text).legible()
    # Before any file that an input names is read, also to hide what it holds.
    confinement.check_inputs(inputs, env, context.trust)
    confidential.hide(inputs, env, log)
    context = context.told(branch=inputs.branch, default_branch=inputs.default_branch)
    context = naming_source.named(inputs, context, source)
    run = Run(
        inputs=builders.of_run(inputs, context.trust),
        context=context.at_time(datetime.now(UTC), env.get("SOURCE_DATE_EPOCH", "")),
        env=env,
        log=log,
        provider=provider,
        runner=process.started,
        mounts=shared,
    )
    if arguments.command == "build" and not inputs.plan_only:
        build.build(run)
    elif arguments.command == "explain":
        explain.explain(run, against=arguments.against, as_json=as_json)
    else:
        plan.plan(run, as_json=as_json)


def _here() -> str:
    """Return the working directory; raises InputError if it was removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        text = "it does not exist any more; start in a directory that does."
        raise InputError([InputProblem(name="working directory", text=text)]) from error


def _clean_up(
    arguments: argparse.Namespace, unknown: Sequence[str], env: Mapping[str, str], log: Log
) -> None:
    problems = [InputProblem(name=repr(text), text="is not expected here.") for text in unknown]
    older_than = reading.duration(arguments.older_than)
    if older_than is None:
        text = f"{arguments.older_than!r} {reading.NO_DURATION}"
        problems.append(InputProblem(name="older-than", text=text))
    if older_than is None or problems:
        raise InputError(problems)
    cleanup.cleanup(env, log, older_than=older_than, dry_run=arguments.dry_run)


def _flags(arguments: argparse.Namespace, unknown: Sequence[str]) -> Mapping[str, str]:
    """Return the inputs given as flags; raises InputError for secret ones and stray arguments."""
    flags = _given(arguments)
    if arguments.password_stdin:
        flags["password"] = sys.stdin.readline(_LONGEST_PASSWORD).rstrip("\r\n")
    named = False
    for text in unknown:
        name, equals, _ = text.removeprefix("--").partition("=")
        if text.startswith("--"):
            # Parsing reports unknown inputs together with all other problems.
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


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    return {
        row.name: "\n".join(values)
        for row in table.TABLE
        if (values := getattr(arguments, row.field, None))
    }


class _Parser(argparse.ArgumentParser):
    """Reports a malformed command line like a wrong input."""

    def error(self, message: str) -> NoReturn:
        raise InputError([InputProblem(name="command line", text=f"{message}.")])


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False, allow_abbrev=False)
    common.add_argument("--ci", choices=ci.NAMES, help="CI system to assume")
    common.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    group = common.add_argument_group(
        "inputs",
        "Each is also read from the environment, as INPUT_NAME with underscores or hyphens. "
        f"Secret inputs are read only from there: {', '.join(_SECRET)}.",
    )
    for row in table.TABLE:
        if not row.secret:
            _add(group, row)
    description = "Docker image builds in CI that start warm."
    parser = _Parser(prog="warmbuild", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "build",
        parents=[common],
        allow_abbrev=False,
        help="build and push an image with a warm cache",
        description="Build and push an image with a cache per branch in the registry.",
    )
    planner = commands.add_parser(
        "plan",
        parents=[common],
        allow_abbrev=False,
        help="show what build would do, without starting anything",
        description="Show what build would do and why. Only --probe contacts a registry, and only "
        "a source that is a repository starts a builder.",
    )
    planner.add_argument("--format", choices=("text", "json"), default="text")
    explainer = commands.add_parser(
        "explain",
        parents=[common],
        allow_abbrev=False,
        help="show which steps build would run, and why, without starting anything",
        description="Compare the files here with the records beside the caches that build would "
        "read, and show which steps would run and why. With --against, the record is that of "
        "another branch; with --branch too, it is compared with the last build of that branch.",
    )
    explainer.add_argument("--format", choices=("text", "json"), default="text")
    explainer.add_argument("--against", default="", metavar="BRANCH", help="branch to compare with")
    cleaner = commands.add_parser(
        "cleanup",
        allow_abbrev=False,
        help="remove what killed runs have left on this machine and its engine",
        description="Remove builders and private directories of runs that were killed.",
    )
    cleaner.add_argument(
        "--older-than", default="24h", metavar="DURATION", help="least age (default: 24h)"
    )
    cleaner.add_argument("--dry-run", action="store_true", help="remove nothing, only say what")
    return parser


def _add(group: argparse._ActionsContainer, row: Input) -> None:
    is_flag = row.kind is Kind.BOOLEAN
    group.add_argument(
        f"--{row.name}",
        action="append",
        nargs="?" if is_flag else None,
        const="true" if is_flag else None,
        metavar="true|false" if is_flag else "|".join(row.choices) or row.field.upper(),
        help=row.help.replace("%", "%%"),
    )
