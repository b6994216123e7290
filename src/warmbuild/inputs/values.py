"""Inputs: what the user asked for, read and checked."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from warmbuild.frozen import frozen
from warmbuild.inputs.table import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from warmbuild.backends import Backend
    from warmbuild.drivers import Driver
    from warmbuild.inputs.builders import Node
    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.table import Passthrough
    from warmbuild.inputs.tag_rules import Flavor, Rule
    from warmbuild.refs import Reference

    # A list has a flag for each item; True is a flag without a value.
    Given = str | bool | tuple[str, ...]


@frozen
class Secret:
    """A build secret; exactly one of value, path and variable is set."""

    id: str
    value: str = field(default="", repr=False)
    path: str = ""
    variable: str = ""


@frozen
class Passed:
    """What is passed on to buildx unchanged: a field for each `Passthrough` row."""

    add_hosts: tuple[str, ...]
    allow: tuple[str, ...]
    cgroup_parent: str
    network: str
    shm_size: str
    ssh: tuple[str, ...]
    ulimit: tuple[str, ...]

    def given(self) -> Iterator[tuple[Passthrough, Given]]:
        """Yield the rows that are set, with their values, in the order of the table."""
        values = ((row, getattr(self, row.field)) for row in PASSED)
        return ((row, value) for row, value in values if value)


@frozen
class Inputs:
    """What the user asked for, read and checked."""

    image: tuple[Reference, ...]
    tags: tuple[str, ...]
    tag_rules: tuple[Rule, ...]
    flavor: Flavor
    annotations: tuple[str, ...]
    sep_tags: str
    sep_labels: str
    sep_annotations: str
    bake_target: str
    context: str
    file: str
    target: str
    platforms: tuple[str, ...]
    build_args: tuple[str, ...]
    labels: tuple[str, ...]
    secrets: tuple[Secret, ...]
    push: bool | None
    load: bool | None
    pull: bool
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    provenance: str
    sbom: str
    reproducible: bool
    passed: Passed
    attests: tuple[str, ...]
    build_contexts: tuple[str, ...]
    call: str
    outputs: tuple[str, ...]
    bake_files: tuple[str, ...]
    compose_files: tuple[str, ...]
    source: str
    targets: tuple[str, ...]
    set: tuple[str, ...]
    vars: tuple[str, ...]
    github_token: str = field(repr=False)
    logins: tuple[Login, ...]
    logout: bool
    builder: str
    version: str
    driver: Driver
    driver_opts: tuple[str, ...]
    endpoint: str
    node_platforms: tuple[str, ...]
    append: tuple[Node, ...]
    untrusted_builder: tuple[Node, ...]
    buildkit_image_mirrors: tuple[str, ...]
    buildkitd_flags: str
    buildkitd_config: str
    buildkitd_config_inline: str
    builder_state: str
    keep_state: bool
    cleanup: bool
    use: bool
    lazy: bool
    compression: str
    idle: tuple[str, ...]
    qemu_platforms: tuple[str, ...]
    qemu_image: str
    reset: bool
    cache: str
    cache_backend: Backend
    cache_options: tuple[str, ...]
    cache_dir: str
    cache_stages: tuple[str, ...]
    cache_repository: Reference | None
    cache_tag_prefix: str
    cache_scope: str
    cache_version: str
    cache_mode: str
    cache_fallback: tuple[str, ...]
    cache_trust_merged: bool
    cache_mounts: tuple[str, ...]
    cache_mounts_limit: int
    cache_import: str
    cache_export: str
    cache_history: int
    cache_max_age: timedelta | None
    cache_timeout: timedelta
    push_timeout: timedelta
    retry_timeout: timedelta
    cache_strict: bool
    skip_unchanged: bool
    refresh: bool
    cache_from: tuple[str, ...]
    cache_to: tuple[str, ...]
    branch: str
    default_branch: str
    lint: bool
    lint_ignore: tuple[str, ...]
    normalize_modes: bool
    link: bool
    plan_only: bool
    probe: bool
    output_file: str
    summary_file: str
    report_file: str
    quiet: bool
    verbose: bool
    log_format: str
    otel: bool | None
    merge_request_note: bool
    merge_request_token: str
    short_sha_length: int
    pr_head_sha: bool
    annotations_levels: tuple[str, ...]
    set_output_env: bool
    warnings: tuple[str, ...]  # Which of the inputs are ignored, and why
    given: Mapping[str, str] = field(default_factory=dict)
    """The texts of the inputs that differ from their default; empty where they may hold secrets."""

    @property
    def written_files(self) -> tuple[tuple[str, str], ...]:
        """The inputs that name files to write, and the paths of these; some may be empty."""
        return (
            ("output-file", self.output_file),
            ("summary-file", self.summary_file),
            ("report-file", self.report_file),
        )

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints of the builder's nodes, by their number."""
        return (self.endpoint, *(node.endpoint for node in self.append))

    @property
    def has_files(self) -> bool:
        """Whether bake or compose files define what is built; without a name, the usual ones."""
        named = self.bake_files or self.compose_files
        return bool(named or self.source or self.targets or self.set or self.vars)

    @property
    def secret_values(self) -> tuple[str, ...]:
        """The values that must not appear in any log."""
        values = [login.password for login in self.logins]
        values += [self.github_token, self.merge_request_token]
        values += [secret.value for secret in self.secrets]
        return tuple(value for value in values if value)
