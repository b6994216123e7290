"""The lab's command line: `python3 -m lab up [PART ...] | down | env | status | actionlint`."""

from __future__ import annotations

import argparse
import sys

from lab import lifecycle, settings
from lab.errors import LabError
from lab.layout import Layout, find_layout

_PARTS_HELP = f"what only some tests need: {', '.join(settings.PARTS)}"


def main() -> int:
    """Run one command; return 1 after an error, which is printed as a sentence."""
    parser = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make and start what is missing")
    up.add_argument("parts", nargs="*", metavar="PART", type=_part, help=_PARTS_HELP)
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="say which parts answer; exit code 1 if one does not")
    commands.add_parser("actionlint", help="make actionlint for `make lint`, and print its path")
    env = commands.add_parser("env", help="print the environment that uses the lab")
    env.add_argument("--format", choices=("shell", "json"), default="shell")
    arguments = parser.parse_args()
    layout = find_layout()
    try:
        if arguments.command == "up":
            lifecycle.up(layout, arguments.parts)
        elif arguments.command == "down":
            lifecycle.down(layout)
        elif arguments.command == "actionlint":
            print(lifecycle.make_actionlint(layout))
        elif arguments.command == "status":
            return _status(layout)
        else:
            _env(layout, arguments.format)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _part(name: str) -> str:
    if name not in settings.PARTS:
        message = f"there is no part {name!r}; the parts are {', '.join(settings.PARTS)}."
        raise argparse.ArgumentTypeError(message)
    return name


def _status(layout: Layout) -> int:
    parts = lifecycle.parts(layout)
    for name, is_up in parts.items():
        print(f"{name}: {'up' if is_up else 'DOWN'}")
    if not parts:
        print("the lab is down")
    return 0 if parts and all(parts.values()) else 1


def _env(layout: Layout, form: str) -> None:
    values = settings.load(layout)
    if values is None or not all(lifecycle.parts(layout).values()):
        message = "the lab is not up: start it with `python3 -m lab up`."
        raise LabError(message)
    print(settings.as_json(layout, values) if form == "json" else settings.as_shell(layout, values))


if __name__ == "__main__":
    sys.exit(main())
