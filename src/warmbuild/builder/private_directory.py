"""The private directory of a run: credentials, secrets and state, removed at its end."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.registry import docker_config, scopes
from warmbuild.registry.docker_config import SCOPED
from warmbuild.signals import held, shielded

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.values import Secret
else:
    tempfile = lazy.module("tempfile")

# The state of buildx with the user's builders and logins; the rest is not copied.
_BUILDX_STATE: Final = ("instances", "certs", "current", "buildkitd.default.toml", SCOPED)


@frozen
class Private:
    """The paths in the private directory of a run."""

    root: Path

    @property
    def docker_config(self) -> Path:
        """The value of DOCKER_CONFIG."""
        return self.root / "docker"

    @property
    def buildx_config(self) -> Path:
        """The value of BUILDX_CONFIG."""
        return self.root / "buildx"

    def file(self, name: str) -> Path:
        """Return the path of a file in the root."""
        return self.root / name

    def secret(self, key: str) -> Path:
        """Return the path of a build secret's value."""
        return self.root / "secrets" / key

    @property
    def certificates(self) -> Path:
        """The directory of the nodes' certificates, with a directory for each node number."""
        return self.root / "nodes"

    def write(self, path: Path, text: str) -> None:
        """Write a file that only this user can read."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)


@contextmanager
def private(
    env: Mapping[str, str], logins: Sequence[Login], secrets: Sequence[Secret]
) -> Iterator[Private]:
    """Provide the private directory for the block, with logins and secrets in it."""
    root = None
    try:
        with held():
            root = _make_root()
        place = Private(root=root)
        user = docker_config.user_directory(env)
        config, _ = docker_config.usable(docker_config.read_config(env), env)
        config = docker_config.merged(config, [login for login in logins if not login.scope])
        place.write(place.docker_config / "config.json", json.dumps(config))
        _copy(user / "contexts", place.docker_config / "contexts")
        buildx = docker_config.buildx_directory(env)
        place.buildx_config.mkdir(mode=0o700)
        for name in _BUILDX_STATE:
            _copy(buildx / name, place.buildx_config / name)
        for login in logins:
            if login.scope:
                directory = scopes.directory(login.host, login.scope)
                path = place.buildx_config / SCOPED / directory / "config.json"
                path.unlink(missing_ok=True)
                place.write(path, json.dumps(docker_config.merged({}, [login])))
        for secret in secrets:
            if secret.value:
                place.write(place.secret(secret.id), secret.value)
        yield place
    finally:
        if root is not None:
            with shielded():
                shutil.rmtree(root, ignore_errors=True)


def _make_root() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="warmbuild-"))
    except OSError as error:
        reason = f"the temporary directory cannot be written: {error.strerror}"
        raise EngineError(reason) from error


def _copy(source: Path, copied: Path) -> None:
    """Copy a file or directory if it exists; follow links, whose paths may be relative."""
    if source.is_dir():
        shutil.copytree(source, copied)
    elif source.is_file():
        shutil.copyfile(source, copied)
