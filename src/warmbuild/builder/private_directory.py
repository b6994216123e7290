"""The private directory of a run: credentials, secrets and state, removed at its end.

A run and the commands that it starts hold a lock on a file in it, which the kernel releases however
they end. So the directory of a killed run can be told from that of a run that is still active.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.builder import leftovers, owner
from warmbuild.builder.leftovers import Entry, Lock
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.registry import docker_config, scopes
from warmbuild.registry.docker_config import SCOPED
from warmbuild.signals import held, shielded
from warmbuild.trust import Right, Trust

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.builder.leftovers import Candidate
    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.values import Secret
else:
    tempfile = lazy.module("tempfile")

# The state of buildx with the user's builders and logins; the rest is not copied.
_BUILDX_STATE: Final = ("instances", "certs", "current", "buildkitd.default.toml", SCOPED)
# What names the temporary directory (Python's tempfile).
_NAMES: Final = ("TMPDIR", "TEMP", "TMP")
_LOCK: Final = "lock"
_UNKNOWN: Final = Trust()
# How Go's programs and the kernel say that a disk, or its table of files, is full.
_FULL: Final = "no space left on device"
# Never wait for what is opened, and never follow a link.
_SAFELY: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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

    def write(self, path: Path, text: str | bytes) -> None:
        """Write a file that only this user can read; raises EngineError if that fails."""
        with _explained():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode() if isinstance(text, str) else text)

    def is_full(self, said: str) -> bool:
        """Return whether a program failed because it could not write here."""
        return _FULL in said.lower() and str(self.root) in said


@contextmanager
def private(
    env: Mapping[str, str],
    logins: Sequence[Login],
    secrets: Sequence[Secret],
    trust: Trust = _UNKNOWN,
) -> Iterator[Private]:
    """Provide the private directory for the block, with logins and secrets in it.

    Builds get the proxies of the user's configuration; untrusted code gets none with a password.
    """
    root, lock = None, None
    try:
        with held():
            root = _make_root(env)
            with _explained():
                lock = _locked(root)
        place = Private(root=root)
        with _explained():
            _fill(place, env, logins, secrets)
            _configure(place, env, logins, trust)
        yield place
    finally:
        if root is not None:
            with shielded():
                shutil.rmtree(root, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _fill(
    place: Private, env: Mapping[str, str], logins: Sequence[Login], secrets: Sequence[Secret]
) -> None:
    user = docker_config.user_directory(env)
    _copy(user / docker_config.CONTEXTS, place.docker_config / docker_config.CONTEXTS)
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


def _configure(
    place: Private, env: Mapping[str, str], logins: Sequence[Login], trust: Trust
) -> None:
    config, _ = docker_config.usable(docker_config.read_config(env), env)
    if trust.refuses(Right.READ_ENVIRONMENT):
        config = docker_config.without_proxies(config)
    config = docker_config.merged(config, [login for login in logins if not login.scope])
    place.write(place.docker_config / "config.json", json.dumps(config))


@contextmanager
def _explained() -> Iterator[None]:
    """Say of a file that cannot be written that it lies in the temporary directory."""
    try:
        yield
    except OSError as error:
        raise unwritable(str(error.strerror)) from error


def unwritable(why: str) -> EngineError:
    """Return the error of a temporary directory that cannot be written."""
    return EngineError(
        f"the temporary directory {tempfile.gettempdir()} cannot be written: {why}. Free space "
        "there, or set TMPDIR to another directory of this machine."
    )


@contextmanager
def forgotten(place: Private) -> Iterator[None]:
    """Remove logins and secrets at the end of the block, before anything that may take time."""
    try:
        yield
    finally:
        with shielded():
            for path in (place.docker_config / "config.json", place.secret("")):
                _delete(path)
            _delete(place.buildx_config / SCOPED)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _make_root(env: Mapping[str, str]) -> Path:
    place = _temporary(env)
    with _explained():
        return Path(tempfile.mkdtemp(prefix=leftovers.DIRECTORIES, dir=place))


def _temporary(env: Mapping[str, str]) -> str:
    """Return the temporary directory; raises EngineError if there is none that can be written.

    Python's last resort is the working directory. That may be a build's context, so the user has to
    name it.
    """
    try:
        place = tempfile.gettempdir()
    except OSError as error:
        raise EngineError(f"no temporary directory can be written: {error.strerror}") from error
    named = [Path(value).absolute() for name in _NAMES if (value := env.get(name))]
    if Path(place) == Path.cwd() and Path(place) not in named:
        raise EngineError("no temporary directory can be written. Free space, or set TMPDIR.")
    return place


def _locked(root: Path) -> int:
    """Lock a new private directory; return the open file that holds the lock.

    The file has its name only once it is locked. On a file system without locks it never has,
    and nothing but the run itself removes the directory.
    """
    new = root / f"{_LOCK}.new"
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # buildx outlives a run that is killed, and still uses the directory.
        os.set_inheritable(descriptor, True)  # noqa: FBT003 (the only way to call it)
        os.write(descriptor, owner.own().encode())
        new.rename(root / _LOCK)
    return descriptor


def left_behind(now: float) -> Iterator[Candidate]:
    """Yield what has a private directory's name in the temporary directory; `now` is in seconds.

    Each can be removed until the next one is yielded. A removal affects the directory that
    was examined, even if its name leads elsewhere by then.
    """
    try:
        parent = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    with ExitStack() as stack:
        stack.callback(os.close, parent)
        with os.scandir(parent) as entries:
            names = sorted(filter(leftovers.is_directory_name, (one.name for one in entries)))
        for name in names:
            opened = stack.enter_context(ExitStack())
            try:
                entry, directory = _examined(name, parent, now, opened)
            except OSError:
                # It has just gone, or is not what it was.
                continue
            yield leftovers.directory(entry), partial(_remove, name, directory, parent)
            opened.close()


def _examined(name: str, parent: int, now: float, opened: ExitStack) -> tuple[Entry, int]:
    """Return what a name stands for, and its open directory if that can belong to a run.

    `opened` keeps the directory open, and its lock if that was free.
    """
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    is_directory, is_own = stat.S_ISDIR(found.st_mode), found.st_uid == os.geteuid()
    is_private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    directory, lock, text = -1, Lock.MISSING, ""
    if is_directory and is_own and is_private:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _SAFELY, dir_fd=parent)
        opened.callback(os.close, directory)
        if not os.path.samestat(found, os.fstat(directory)):
            raise FileNotFoundError(name)
        lock, text = _lock_of(directory, opened)
    entry = Entry(
        name=name,
        age=timedelta(seconds=now - found.st_mtime),
        is_directory=is_directory,
        is_own=is_own,
        is_private=is_private,
        lock=lock,
        is_of_this_kernel=owner.is_of_this_kernel(text),
    )
    return entry, directory


def _lock_of(directory: int, opened: ExitStack) -> tuple[Lock, str]:
    """Return the state of a directory's lock, and what its run has written in it."""
    try:
        file = os.open(_LOCK, os.O_RDWR | _SAFELY, dir_fd=directory)
    except OSError:
        return Lock.MISSING, ""
    opened.callback(os.close, file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Lock.FREE, os.read(file, owner.LONGEST).decode(errors="replace")
    except OSError:
        return Lock.HELD, ""


def _remove(name: str, directory: int, parent: int) -> None:
    """Remove a directory; the lock goes last, without which nothing would remove the rest."""
    try:
        with os.scandir(directory) as entries:
            others = [entry for entry in entries if entry.name != _LOCK]
        for entry in others:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, dir_fd=directory)
            else:
                os.unlink(entry.name, dir_fd=directory)
        os.unlink(_LOCK, dir_fd=directory)
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        raise EngineError(str(error.strerror)) from error


def _copy(source: Path, copied: Path) -> None:
    """Copy a file or directory if it exists; follow links, whose paths may be relative."""
    if source.is_dir():
        shutil.copytree(source, copied)
    elif source.is_file():
        shutil.copyfile(source, copied)
