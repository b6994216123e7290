"""Image references, and branch names as cache tags and back.

The grammar of references comes from the OCI distribution specification 1.1 ("Pulling manifests"),
with Docker's short names for Docker Hub.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = lazy.module("hashlib")

DOCKER_HUB: Final = "docker.io"
# Where clients of the API and BuildKit's scoped logins find Docker Hub.
HUB_API: Final = "registry-1.docker.io"
LONGEST_TAG: Final = 128
# Of a repository without its host (distribution/reference, RepositoryNameTotalLengthMax).
_LONGEST_PATH: Final = 255
# Leaves room for a scope, a separator and a slug.
LONGEST_PREFIX: Final = 40
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PATH: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
# A name that is its own slug: no run of hyphens, and none at an end.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.]+(?:-[A-Za-z0-9_.]+)*")
# 80 bits: two names with the same 8 digits were found in minutes.
_HASH_LENGTH: Final = 20
_LOOKS_HASHED: Final = re.compile(rf"(?:.*-)?[0-9a-f]{{{_HASH_LENGTH}}}")
_SEPARATOR: Final = "--"
# Precedes the number of an older generation; slugs never end in a hyphen, so it is unambiguous.
_GENERATION: Final = "---"
MOST_GENERATIONS: Final = 9
# What ends the tags of a record and of a cache mount: no slug has it, and it is no generation.
_RECORD: Final = "---record"
_MOUNT: Final = "---mount-"


@frozen
class Reference:
    """A repository in a registry, with a tag, a digest, both or neither."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """Host and path; Docker Hub's short names are completed."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        """Return the reference as Docker and BuildKit take it."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """Read a reference and complete Docker Hub's names; raises ValueError with the reason."""
    rest, at, digest = text.strip().partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError("its digest is not sha256: and 64 hex digits")
    first, slash, after = rest.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    name_host, path = (first, after) if is_host else (DOCKER_HUB, rest)
    path, colon, tag = path.partition(":")
    if colon and not is_tag(tag):
        raise ValueError(f"{tag!r} is not a tag")
    path = path.lower()
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a repository's name" if path else "it has no name")
    if len(path) > _LONGEST_PATH:
        raise ValueError(f"its name is longer than {_LONGEST_PATH} characters")
    name_host = host(name_host)
    if name_host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(host=name_host, path=path, tag=tag, digest=digest)


def is_digest(text: str) -> bool:
    """Return whether a text is a digest as images have it."""
    return bool(_DIGEST.fullmatch(text))


def host(text: str) -> str:
    """Return a registry's host, lower-cased; `docker.io` for every name of Docker Hub.

    A scheme and a path, which some users of docker/login-action give, are removed. Raises
    ValueError with the reason.
    """
    bare = re.sub(r"^https?://", "", text.strip().lower()).partition("/")[0]
    if not _HOST.fullmatch(bare):
        raise ValueError(f"{bare!r} is not a host" if bare else "it has no host")
    if bare in {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}:
        return DOCKER_HUB
    return bare


def is_path(text: str) -> bool:
    """Return whether a text can be a repository's name without its host."""
    return bool(_PATH.fullmatch(text))


def is_tag(text: str) -> bool:
    """Return whether a text can be a tag."""
    return bool(_TAG.fullmatch(text))


def image_tag(name: str) -> str:
    """Return a branch or git tag as an image tag, as docker/metadata-action does.

    Runs of illegal characters become a hyphen. What would not be a tag then, because it begins with
    a dot or hyphen or is too long, is cut and gets a hash: no branch takes `main` by a sign more.
    """
    tag = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return tag if is_tag(tag) else _hashed(tag.lstrip(".-"), name, LONGEST_TAG)


def image_tag_apart(tag: str, prefix: str) -> str:
    """Return an image's tag, or another one if it begins with the prefix of caches' tags."""
    if not tag.startswith(prefix):
        return tag
    lead = "tag-" if prefix.startswith("i") else "image-"
    return _hashed(f"{lead}{tag}", tag, LONGEST_TAG)


def slug(name: str, longest: int) -> str:
    """Return a branch's name as a part of a cache tag, unique for each name.

    A legal name stays. Otherwise runs of illegal characters become a hyphen, and 20 hex digits of
    the name's SHA-256 follow, so that `feature/a` and `feature-a` differ. Legal names that end in
    20 hex digits are hashed too, so that no branch can be named like another's slug.
    """
    if len(name) <= longest and _PLAIN.fullmatch(name) and not _LOOKS_HASHED.fullmatch(name):
        return name
    return _hashed(re.sub(r"[^A-Za-z0-9_.]+", "-", name).lstrip("-"), name, longest)


@frozen
class CacheTag:
    """The slugs in a cache tag, and its generation: 0 is the current one, 1 the one before."""

    scope: str
    branch: str
    generation: int


def cache_tag(*, prefix: str, scope: str, branch: str, generation: int = 0) -> str:
    """Return the tag of a branch's cache ref: `<prefix>[<scope>--]<slug>[---<generation>]`."""
    end = f"{_GENERATION}{generation}" if generation else ""
    # Always leaves room for a generation, so that all generations have the same slugs.
    room = LONGEST_TAG - len(prefix) - len(_GENERATION) - 1
    if not scope:
        return f"{prefix}{slug(branch, room)}{end}"
    room -= len(_SEPARATOR)
    scope_slug = slug(scope, room // 2)
    return f"{prefix}{scope_slug}{_SEPARATOR}{slug(branch, room - len(scope_slug))}{end}"


def read_cache_tag(tag: str, *, prefix: str) -> CacheTag | None:
    """Return the parts of a cache tag; None for any other tag."""
    if not tag.startswith(prefix):
        return None
    name, is_older, number = tag.removeprefix(prefix).partition(_GENERATION)
    *scope, branch = name.split(_SEPARATOR, 1)
    if not all(map(_PLAIN.fullmatch, (*scope, branch))):
        return None
    if is_older and not re.fullmatch(f"[1-{MOST_GENERATIONS - 1}]", number):
        return None
    return CacheTag(scope="".join(scope), branch=branch, generation=int(number or 0))


def record_tag(tag: str) -> str:
    """Return the tag of the record beside a cache: `<tag>---record`, which no cache has.

    A tag that would be too long is cut and gets a hash.
    """
    return _beside(tag, _RECORD)


def mount_tag(tag: str, name: str) -> str:
    """Return the tag of a cache mount that is kept beside a cache: `<tag>---mount-<name>`.

    A tag that would be too long is cut and gets a hash.
    """
    return _beside(tag, f"{_MOUNT}{name}")


def is_mount_tag(tag: str, of: str) -> bool:
    """Return whether a tag is that of a cache mount beside the cache with the tag `of`."""
    _, is_mount, name = tag.rpartition(_MOUNT)
    return bool(is_mount) and tag == mount_tag(of, name)


def _beside(tag: str, end: str) -> str:
    room = LONGEST_TAG - len(end)
    return (tag if len(tag) <= room else _hashed(tag, tag, room)) + end


def _hashed(text: str, name: str, longest: int) -> str:
    """Return a text, cut if it has to be, and the hash of the name that it stands for."""
    found = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH_LENGTH]
    kept = text[: longest - _HASH_LENGTH - 1].rstrip("-")
    return f"{kept}-{found}" if kept else found
