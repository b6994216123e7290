"""What a lint rule is, what it looks at, and what it finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from warmbuild.project import dockerfile, ignore_file, installs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.lint.sources import Sources
    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage
    from warmbuild.project.installs import Install
    from warmbuild.run_context import RunContext

# Frontends that read what this module reads; one of another name may have a language of its own.
_SYNTAX: Final = re.compile(r"(?:|(?:.*/)?dockerfile(?:-upstream)?(?:[:@].*|\s.*)?)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule; it finds something only if it is sure, in the stages that the build needs."""

    name: str
    """The name that switches it off."""
    severity: str
    """One of the words of GitLab's code quality report."""
    find: Callable[[Case], Iterator[Found]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that the rules may look at."""

    inputs: Inputs
    context: RunContext
    sources: Sources
    env: Mapping[str, str]

    @cached_property
    def file(self) -> Dockerfile:
        """The Dockerfile; it has no stages if it is of a frontend that is not known."""
        found = dockerfile.parse(self.sources.text, self.arguments)
        return found if _SYNTAX.fullmatch(found.syntax) else replace(found, stages=())

    @cached_property
    def arguments(self) -> Mapping[str, str]:
        """The build arguments that were given; one without a value has the environment's."""
        pairs = (entry.partition("=") for entry in self.inputs.build_args)
        return {
            name: value if equals else self.env.get(name, "")
            for name, equals, value in pairs
            if equals or name in self.env
        }

    @cached_property
    def built(self) -> Stage | None:
        """The stage that is built; None if the file has no such stage."""
        return dockerfile.target(self.file, self.inputs.target)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the build needs."""
        if self.built is None:
            return ()
        return dockerfile.needed(self.file, self.built)

    def lineage(self, stage: Stage) -> tuple[Stage, ...]:
        """Return the stages whose steps make up a stage, the farthest base first."""
        return dockerfile.lineage(self.file, stage)

    @cached_property
    def chains(self) -> tuple[tuple[Instruction, ...], ...]:
        """The instructions that lead to the end of each stage, from its farthest base on."""
        return tuple(
            tuple(step for base in self.lineage(stage) for step in base.instructions)
            for stage in self.stages
        )

    @cached_property
    def steps(self) -> tuple[Instruction, ...]:
        """The instructions of the stages that the build needs."""
        return tuple(step for stage in self.stages for step in stage.instructions)

    @cached_property
    def installs(self) -> Mapping[int, tuple[Install, ...]]:
        """What each of these steps installs, by its line."""
        return {
            step.line: tuple(installs.installs(step)) for step in self.steps if step.word == "RUN"
        }

    def later_installs(self, steps: Sequence[Instruction]) -> Iterator[tuple[Instruction, Install]]:
        """Yield what some steps install, each with its step."""
        return ((step, done) for step in steps for done in self.installs.get(step.line, ()))

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the .dockerignore."""
        return ignore_file.patterns(self.sources.ignore or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule found: at an instruction, or in what the run was given by an input."""

    text: str
    about: str
    at: Instruction | None = None
    given: Sequence[str] = ()
    """Texts of the pipeline's file, of which the first that it has tells the line."""
