"""What a lint rule is, what it looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from warmbuild.frozen import frozen
from warmbuild.image import attestations
from warmbuild.project import dockerfile, ignore_file, installs, linking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.buildkit.progress import Step, Unpacked
    from warmbuild.inputs.values import Inputs
    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage
    from warmbuild.project.installs import Install
    from warmbuild.project.linking import Linking
    from warmbuild.run_context import RunContext


@frozen
class Rule:
    """A rule; it reports only what is certain, in the stages that the build needs."""

    name: str  # as in `lint-ignore`
    severity: str  # one of the severities of GitLab's code quality report
    find: Callable[[Case], Iterator[Found]]
    needs_build: bool = False  # whether it looks at what a build did


@frozen
class OddModes:
    """A file in the context whose mode is not what git stores."""

    path: str
    mode: int
    stored: int
    has_more: bool  # whether other files differ too


@frozen
class Sources:
    """What the rules look at; empty if the build context is not on this machine."""

    file: str = ""  # the Dockerfile's path, as findings name it
    text: str = ""  # the Dockerfile's text
    ignore_file: str = ".dockerignore"  # the path of the .dockerignore that applies
    ignore: str | None = None  # the text of the .dockerignore, or None without one
    in_context: frozenset[str] = frozenset()  # ".git" and "Dockerfile", if inside the context
    odd_modes: OddModes | None = None
    directories: Mapping[str, bool] = field(default_factory=dict)
    """Sources of COPY and ADD in the context, and whether they are directories."""
    contexts: frozenset[str] = frozenset()  # names of other build contexts
    pipeline_file: str = ""  # the path of the CI system's file that describes this run
    pipeline: str = ""  # the text of that file


@frozen
class Done:
    """What a build did."""

    steps: tuple[Step, ...]
    unpacked: tuple[Unpacked, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that a rule may look at."""

    inputs: Inputs
    context: RunContext
    sources: Sources
    env: Mapping[str, str]
    done: Done | None = None  # None before the build

    @cached_property
    def file(self) -> Dockerfile:
        """The Dockerfile; without stages if its frontend is unknown."""
        found = dockerfile.parse(self.sources.text, self.arguments)
        return found if dockerfile.is_own_syntax(found.syntax) else replace(found, stages=())

    @cached_property
    def arguments(self) -> Mapping[str, str]:
        """The given build arguments; without a value they have the environment's, if any."""
        pairs = (entry.partition("=") for entry in self.inputs.build_args)
        return {
            name: value if equals else self.env[name]
            for name, equals, value in pairs
            if equals or name in self.env
        }

    @cached_property
    def built(self) -> Stage | None:
        """The stage that is built; None if the file does not have it."""
        return dockerfile.built_stage(self.file, self.inputs.target)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the build needs."""
        return dockerfile.needed(self.file, self.built) if self.built else ()

    @cached_property
    def chains(self) -> tuple[tuple[Instruction, ...], ...]:
        """The instructions of each stage, after those of the stages that it is built on."""
        return tuple(
            tuple(
                step for base in dockerfile.lineage(self.file, stage) for step in base.instructions
            )
            for stage in self.stages
        )

    @cached_property
    def steps(self) -> tuple[Instruction, ...]:
        """The instructions of the stages that the build needs."""
        return tuple(step for stage in self.stages for step in stage.instructions)

    @cached_property
    def installs(self) -> Mapping[int, tuple[Install, ...]]:
        """What each of the steps installs, by its line."""
        return {
            step.line: tuple(installs.installs(step)) for step in self.steps if step.word == "RUN"
        }

    def later_installs(self, steps: Sequence[Instruction]) -> Iterator[tuple[Instruction, Install]]:
        """Yield each step with what it installs."""
        return ((step, done) for step in steps for done in self.installs.get(step.line, ()))

    def below(self, step: Instruction) -> tuple[Instruction, ...]:
        """Return a step and all that is below it, in every stage that is built on its stage."""
        found = (chain[chain.index(step) :] for chain in self.chains if step in chain)
        return tuple({one.line: one for part in found for one in part}.values())

    @cached_property
    def linking(self) -> Linking:
        """Which steps of the built stage could have `--link`."""
        syntax = self.arguments.get(linking.SYNTAX_ARGUMENT, "")
        why = attestations.needs_files(
            self.inputs.outputs, attestations.attests(self.inputs, self.context)
        )
        if why := why or linking.frontend_obstacle(self.file, syntax):
            return linking.Linking(why=why)
        sources = self.sources
        return linking.decide(
            self.file,
            self.inputs.target,
            directories=sources.directories,
            contexts=sources.contexts,
        )

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the .dockerignore."""
        return ignore_file.patterns(self.sources.ignore or "")


@frozen
class Found:
    """What a rule found: at an instruction, or in an input."""

    text: str
    about: str
    at: Instruction | None = None
    again: Sequence[Instruction] = ()  # what runs again because of it
    given: Sequence[str] = ()
    """Texts to look for in the pipeline's file, for the line; the first that it has counts."""
