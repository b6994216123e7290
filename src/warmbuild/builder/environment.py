"""Finds buildx, and makes the environment that it runs in: variables and certificates."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import process
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.process import LateError
from warmbuild.registry import docker_config
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from contextlib import AbstractContextManager

    from warmbuild.builder.private_directory import Private
    from warmbuild.drivers import Driver
    from warmbuild.process import Result, Runner, Running
    from warmbuild.trust import Trust

# Where Docker's packages install the plugin, outside PATH.
_PLUGIN_DIRECTORIES: Final = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
# How long a command may take that builds and boots nothing, in seconds; machines may be busy.
_PATIENCE: Final = 30.0
# The engine of this machine.
_SOCKET: Final = "/var/run/docker.sock"
# The engine of a docker-in-docker service, and the default of DOCKER_TLS_CERTDIR in its job.
_DIND: Final = "tcp://docker:2376"
_DIND_CERTIFICATES: Final = "/certs"
# The driver's name of a file is the variable's suffix in lower case.
_CERTIFICATE_FILES: Final = ("CACERT", "CERT", "KEY")
_CERTIFICATE: Final = re.compile(
    rf"BUILDER_NODE_([0-9]{{1,9}})_AUTH_TLS_({'|'.join(_CERTIFICATE_FILES)})"
)

# What buildx needs to read bake and compose files, which could hand any variable to their commands.
_TO_READ: Final = "PATH|HOME|TMPDIR|DOCKER_CONFIG|BUILDX_CONFIG"
# What buildx needs to reach a builder; none of it is secret.
_TO_REACH: Final = (
    r"DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS\w*|API_VERSION|DEFAULT_PLATFORM)"
    # The driver kubernetes.
    r"|KUBECONFIG|KUBERNETES_(?:SERVICE|PORT)\w*"
    # Engines over SSH.
    r"|SSH_AUTH_SOCK"
)
# What buildx needs to build untrusted code. The code's definition cannot name any of it: this is a
# second wall.
_TO_BUILD: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|TZ|LANG|LC_\w+|XDG_(?:CONFIG_HOME|RUNTIME_DIR)"
    # The agent is for the input ssh, too.
    rf"|{_TO_REACH}"
    r"|(?i:(?:https?|all|no)_proxy)|SSL_CERT_(?:FILE|DIR)"
    # Settings, but neither BUILDX_BAKE_* nor BUILDX_GIT_*, and policies of the runner.
    r"|BUILDX_(?:BUILDER|CONFIG|EXPERIMENTAL|METADATA_\w+|NO_DEFAULT_\w+|DEFAULT_POLICY)"
    r"|BUILDKIT_(?:HOST|PROGRESS|COLORS|TTY_LOG_LINES)|NO_COLOR"
    r"|EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
    r"|SOURCE_DATE_EPOCH"
    # Caches on GitHub and in clouds, and credential helpers.
    r"|ACTIONS_(?:CACHE_URL|RESULTS_URL|RUNTIME_TOKEN|CACHE_SERVICE_V2)"
    r"|(?:AWS|AZURE|GOOGLE|CLOUDSDK)_\w+"
)
# They change how buildx reads bake files, and were for those of the user.
_OF_BAKE: Final = "BUILDX_BAKE_"


@frozen
class Buildx:
    """buildx as a run starts it."""

    program: str  # path of the executable
    env: Mapping[str, str]  # the whole environment of its processes
    runner: Runner

    def started(self, argv: Sequence[str], *, linger: float = 0) -> AbstractContextManager[Running]:
        """Run a command while the block runs."""
        return self.runner([self.program, *argv], self.env, linger=linger)

    def run(self, argv: Sequence[str], *, patience: float = _PATIENCE) -> Result:
        """Run a command to its end; raises EngineError if that takes longer than `patience` s."""
        try:
            return process.run(self.runner, [self.program, *argv], self.env, patience=patience)
        except LateError as late:
            raise EngineError(overdue(argv[0], patience)) from late


def overdue(command: str, patience: float) -> str:
    """Return what is said of a command of buildx that does not end within `patience` seconds."""
    return f"buildx {command} did not end within {patience:.0f} s"


def program(env: Mapping[str, str], reads: str = "") -> str:
    """Return the path of buildx: a standalone program, or the Docker CLI's plugin.

    `reads` is the input whose files it is needed for, if it is not for a build.
    """
    search = env.get("PATH", os.defpath)
    plugins = [str(docker_config.user_directory(env) / "cli-plugins"), *_PLUGIN_DIRECTORIES]
    found = shutil.which("buildx", path=search) or shutil.which(
        "docker-buildx", path=os.pathsep.join([*plugins, search])
    )
    if not found:
        need = f", and {reads} cannot be read without it" if reads else ""
        raise EngineError(
            f"buildx is not installed{need}. Install it (Docker's packages call it "
            "docker-buildx-plugin), or run warmbuild's image, which contains it."
        )
    return found


def of_engine(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose DOCKER_ variables lead to the engine of a job."""
    child = dict(env)
    shared = Path(child.get("DOCKER_TLS_CERTDIR") or _DIND_CERTIFICATES, "client")
    if "DOCKER_HOST" not in child and not Path(_SOCKET).exists() and shared.parent.is_dir():
        # As the entrypoint of the image docker:cli does in a job beside docker-in-docker. The
        # certificates may appear later, when the service has booted.
        child["DOCKER_HOST"] = _DIND
        child["DOCKER_TLS_VERIFY"] = "1"
        child["DOCKER_CERT_PATH"] = str(shared)
    if child.get("DOCKER_TLS_VERIFY") and not child.get("DOCKER_CERT_PATH"):
        child["DOCKER_CERT_PATH"] = str(docker_config.user_directory(env))
    return child


def environment(env: Mapping[str, str], private: Private) -> dict[str, str]:
    """Return the environment of buildx: without inputs, with the run's own configuration."""
    given = of_engine(env)
    child = {name: value for name, value in given.items() if not name.startswith("INPUT_")}
    child.pop("DOCKER_AUTH_CONFIG", None)
    for variable in filter(_CERTIFICATE.fullmatch, env):
        del child[variable]
    if shutil.which("git", path=child.get("PATH")) is None:
        # Without git, buildx would warn at every build that it cannot record the commit.
        child["BUILDX_GIT_INFO"] = "false"
    child.setdefault("BUILDX_METADATA_WARNINGS", "true")
    child["DOCKER_CONFIG"] = str(private.docker_config)
    child["BUILDX_CONFIG"] = str(private.buildx_config)
    return child


def of_reading(child: Mapping[str, str], trust: Trust, *, fetches: bool) -> dict[str, str]:
    """Return the variables of `child` with which buildx reads bake and compose files.

    If it fetches them, a builder does that.
    """
    if not trust.refuses(Right.READ_ENVIRONMENT):
        return dict(child)
    needed = re.compile(f"{_TO_READ}|{_TO_REACH}" if fetches else _TO_READ)
    return {name: value for name, value in child.items() if needed.fullmatch(name)}


def of_building(child: Mapping[str, str], trust: Trust, named: Container[str]) -> dict[str, str]:
    """Return the variables of `child` with which buildx builds; inputs have named some."""
    kept = {name: value for name, value in child.items() if not name.startswith(_OF_BAKE)}
    if not trust.refuses(Right.READ_ENVIRONMENT):
        return kept
    kept = {
        name: value for name, value in kept.items() if _TO_BUILD.fullmatch(name) or name in named
    }
    # In a context that looks like a repository, git would obey its configuration.
    return kept | {"BUILDX_GIT_INFO": "false"}


def take_certificates(found: Mapping[int, Mapping[str, str]], private: Private) -> None:
    """Write the certificates of remote nodes to files, for buildx."""
    for index, texts in found.items():
        for name, text in texts.items():
            private.write(private.certificates / str(index) / f"{name}.pem", text)


def certificates(env: Mapping[str, str]) -> Mapping[int, Mapping[str, str]]:
    """Return the certificates by node number and by the driver's name for them."""
    found: dict[int, dict[str, str]] = {}
    for variable, value in env.items():
        named = _CERTIFICATE.fullmatch(variable)
        if named and value:
            found.setdefault(int(named[1]), {})[named[2].lower()] = value
    return found


def unused(
    driver: Driver, endpoints: Sequence[str], found: Mapping[int, Mapping[str, str]]
) -> Mapping[int, str]:
    """Return warnings of certificates that no node uses, by the number that they are for."""
    warnings: dict[int, str] = {}
    for index in sorted(found):
        if not driver.takes_certificates:
            why = f"driver '{driver.name}' takes no certificates"
        elif index >= len(endpoints):
            nodes = f"{len(endpoints)} node{'s' if len(endpoints) > 1 else ''}"
            why = f"the builder has {nodes}, numbered from 0"
        elif not endpoints[index].startswith("tcp://"):
            why = f"the endpoint is {endpoints[index]}, and TLS needs tcp://"
        else:
            continue
        warnings[index] = f"{_variables(index)}_* are ignored: {why}"
    return warnings


def incomplete(used: Mapping[int, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the errors in certificates that nodes use, by variable."""
    wrong: dict[str, str] = {}
    for index, files in sorted(used.items()):
        if ("cert" in files) != ("key" in files):
            missing = f"{_variables(index)}_{'KEY' if 'cert' in files else 'CERT'}"
            wrong[missing] = "is missing: a certificate and its key go together."
    return wrong


def _variables(index: int) -> str:
    return f"BUILDER_NODE_{index}_AUTH_TLS"
