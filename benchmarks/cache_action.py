"""What actions/cache does with a directory: restore it from a cache service, and save it there.

`python benchmarks/cache_action.py restore DIRECTORY KEY [RESTORE_KEY...]` prints the key that was
found, if any; `save DIRECTORY KEY` keeps it. The service is GitHub's, version 1, at
ACTIONS_CACHE_URL. As the action, it packs with zstd if that is installed and with gzip otherwise,
and uploads four parts of 32 MB at a time. It is a process of its own, as an action is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Sequence

_PART: Final = 32 * 1024 * 1024
_UPLOADS: Final = 4
_PATIENCE: Final = 300.0


def main(arguments: Sequence[str]) -> None:
    """Restore or save."""
    verb, directory, *keys = arguments
    packer = "zstd" if shutil.which("zstd") else "gzip"
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, f"cache.{packer}")
        if verb == "restore":
            _restore(Path(directory), archive, packer, keys)
        else:
            _save(Path(directory), archive, packer, keys[0])


def _restore(directory: Path, archive: Path, packer: str, keys: Sequence[str]) -> None:
    found = _ask("GET", f"cache?{urlencode({'keys': ','.join(keys), 'version': packer})}")
    if not found:
        return
    request = Request(found["archiveLocation"])  # noqa: S310 (the lab's own service)
    with urlopen(request, timeout=_PATIENCE) as answer, archive.open("wb") as file:  # noqa: S310
        shutil.copyfileobj(answer, file, 1024 * 1024)
    directory.mkdir(parents=True, exist_ok=True)
    _tar("--extract", archive, packer, directory)
    print(found["cacheKey"])


def _save(directory: Path, archive: Path, packer: str, key: str) -> None:
    _tar("--create", archive, packer, directory, "--posix", ".")
    size = archive.stat().st_size
    reserved = _ask("POST", "caches", {"key": key, "version": packer, "cacheSize": size})
    path = f"caches/{reserved['cacheId']}"
    with ThreadPoolExecutor(_UPLOADS) as pool:
        list(pool.map(partial(_upload, path, archive), range(0, size, _PART)))
    _ask("POST", path, {"size": size})


def _upload(path: str, archive: Path, begin: int) -> None:
    with archive.open("rb") as file:
        file.seek(begin)
        part = file.read(_PART)
    _ask("PATCH", path, part, f"bytes {begin}-{begin + len(part) - 1}/*")


def _tar(verb: str, archive: Path, packer: str, directory: Path, *more: str) -> None:
    program = "zstd -T0" if packer == "zstd" else packer
    argv = ["tar", verb, f"--file={archive}", f"--use-compress-program={program}"]
    argv += [f"--directory={directory}", *more]
    subprocess.run(argv, check=True)  # noqa: S603 (a list of arguments, no shell)


def _ask(method: str, path: str, content: object = None, part: str = "") -> dict[str, Any]:
    """Ask the service; an answer without content is empty."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": "application/octet-stream" if part else "application/json"}
    if part:
        headers["Content-Range"] = part
    request = Request(  # noqa: S310 (the lab's own service)
        f"{os.environ['ACTIONS_CACHE_URL']}_apis/artifactcache/{path}",
        data=body if content is not None else None,
        headers=headers,
        method=method,
    )
    with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
        text = answer.read()
    return dict(json.loads(text)) if text else {}


if __name__ == "__main__":
    main(sys.argv[1:])
