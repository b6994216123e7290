"""Checks of one text or one item of a list.

A check returns what is wrong, or an empty text. The message follows the quoted text, and ends the
sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, lazy, platforms, refs, secret_texts
from warmbuild.backends import BACKENDS
from warmbuild.inputs import build_context

if TYPE_CHECKING:
    import difflib
    from collections.abc import Callable, Iterable, Sequence

    Check = Callable[[str], str]
else:
    difflib = lazy.module("difflib")

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Environment variables that configure buildx itself.
_OF_BUILDX: Final = re.compile(
    r"PATH|HOME|TMPDIR|LD_.*|(?:DOCKER|BUILDX|BUILDKIT)_(?:CONFIG|HOST|CONTEXT|BUILDER|TLS.*|CERT.*)"
)
_SIZE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)? ?(?:[kKmMgGtTpP][iI]?)?[bB]?")
_NETWORKS: Final = ("default", "host", "none")
# Of `buildx build` and, beyond these, of `buildx bake` (EntitlementKey, v0.36.1).
_ENTITLEMENTS: Final = (
    *("network.host", "security.insecure", "device", "buildx.local.delete"),
    *("ssh", "fs", "fs.read", "fs.write", "image", "image.push", "image.load"),
)
_OUTPUTS: Final = ("local", "tar", "oci", "docker", "image", "registry", "cacheonly")
_NEEDS_DEST: Final = ("local", "tar", "oci")
# A context's name (docker/cli, context.ValidateContextName).
_CONTEXT: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]*")
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_LEVELS: Final = ("manifest", "index", "manifest-descriptor", "index-descriptor")
# A URL over HTTP is one of git if its path ends so (BuildKit, dfgitutil.ParseGitRef).
_GIT: Final = re.compile(r"https?://[^?#]*\.git(?:[?#].*)?|(?:git|ssh)://.*")
_CALLS: Final = ("build", "check", "lint", "outline", "targets", "subrequests.describe")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the name nearest to `name`, or an empty text."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def matches(pattern: str, accepted: str) -> Check:
    """Return a check for a regular expression; `accepted` describes what it accepts."""
    return lambda text: (
        "" if re.fullmatch(pattern, text, re.DOTALL) else f"is not accepted; {accepted}."
    )


pair: Final = matches(r"[^=\s]+=.*", "use name=value")
_OVERRIDE: Final = matches(r"[^-.=][^.=]*\.[^=]+=.*", "use TARGET.key=value")
platform: Final = matches(platforms.PATTERN.pattern, "use os/arch, such as linux/amd64")
builder: Final = matches(
    r"[A-Za-z][A-Za-z0-9._-]*", "use a letter, followed by letters, digits and . _ -"
)


def among(names: Sequence[str], text: str) -> str:
    """Check that a text is one of several names."""
    if text in names:
        return ""
    accepted = f"{', '.join(names[:-1])} or {names[-1]}"
    return f"is not accepted; use {accepted}.{nearest(text, names)}"


def image(text: str) -> str:
    """Check a reference."""
    try:
        refs.parse(text)
    except ValueError as error:
        return f"is not an image: {error}."
    return ""


def definition_file(text: str) -> str:
    """Check a file that buildx would also read from a URL or standard input."""
    path = text.removeprefix(build_context.HERE)
    if "://" in path or path in {"", "-"} or path.startswith("git@"):
        return "is not a file; for one of another repository, set source to the git URL."
    return ""


def source(text: str) -> str:
    """Check where definitions are: a directory, or a git URL as BuildKit has it."""
    if any(secret_texts.in_urls(text)):
        return "holds a secret, and it becomes an argument; set github-token instead."
    if "://" not in text or _GIT.fullmatch(text):
        return ""
    return "is no git URL, such as https://github.com/me/app.git#main."


def override(text: str) -> str:
    """Check an override of a target's attribute, which buildx takes only as an argument."""
    if any(secret_texts.in_attributes(text)):
        return (
            "holds a secret, and overrides become arguments, which are not secret; use a variable "
            "in the file instead, and give its value in vars."
        )
    return _OVERRIDE(text)


def variable(text: str) -> str:
    """Check a variable of a bake or compose file."""
    name, equals, _ = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        return "is not of the form NAME=value."
    return f"sets {name}, which configures buildx itself." if _OF_BUILDX.fullmatch(name) else ""


def annotation_level(text: str) -> str:
    """Check where annotations are attached; a platform may follow, such as manifest[os/arch]."""
    level, bracket, platform_ = text.partition("[")
    is_platform = not bracket or (platform_.endswith("]") and not platform(platform_[:-1]))
    return among(_LEVELS, level if is_platform else text)


def call(text: str) -> str:
    """Check a call; attributes, such as `format=json`, may follow its name."""
    return among(_CALLS, text.partition(",")[0].removeprefix("method="))


def size(text: str) -> str:
    """Check a size as Docker reads it (go-units, RAMInBytes)."""
    return "" if _SIZE.fullmatch(text) else "is not a size; use a number and k, m or g, such as 1g."


def network(text: str) -> str:
    """Check the network mode of RUN instructions; networks belong to a builder."""
    return among(_NETWORKS, text)


def entitlement(text: str) -> str:
    """Check an entitlement of buildx's build or bake; some take a value."""
    return among(_ENTITLEMENTS, text.partition("=")[0])


def output(text: str) -> str:
    """Check an output: attributes, a directory, or a hyphen for standard output."""
    fields = csv_attributes.fields(text)
    if fields == (text,) and not text.startswith("type="):
        return ""
    if wrong := _no_attributes(fields):
        return wrong
    given = dict(csv_attributes.pairs(text))
    if "type" not in given:
        return "has no type; use type=local,dest=DIRECTORY, for example."
    if given["type"] not in _OUTPUTS:
        return f"has the type {given['type']!r}, which {among(_OUTPUTS, given['type'])}"
    if given["type"] in _NEEDS_DEST and not given.get("dest"):
        return "has no dest, which its type needs."
    return ""


def cache_entry(text: str) -> str:
    """Check a cache source or destination: a reference, or attributes, which may be secret.

    A builder may have types that are not known here, but none that is spelled nearly like one.
    """
    given = dict(csv_attributes.pairs(text))
    if set(given) == {"ref"}:
        return ""
    kind = given.get("type", "")
    if not kind:
        return "has no type; use type=registry,ref=IMAGE, for example."
    if kind not in BACKENDS:
        near = nearest(kind, BACKENDS)
        return f"has an unknown type.{near}" if near else ""
    return "needs a ref." if BACKENDS[kind].destination == "ref" and not given.get("ref") else ""


def endpoint(text: str) -> str:
    """Check the name of a Docker context, or an address."""
    if _CONTEXT.fullmatch(text) or _ADDRESS.fullmatch(text):
        return ""
    return "is neither a Docker context nor an address, such as tcp://HOST:2375."


def _no_attributes(fields: Sequence[str]) -> str:
    bare = next((field for field in fields if "=" not in field), None)
    return "" if bare is None else "has a part without a value; use name=value,name=value."


def tag_prefix(text: str) -> str:
    """Check what the tags of cache refs begin with."""
    if refs.is_tag(f"{text}x") and len(text) <= refs.LONGEST_PREFIX:
        return ""
    return (
        f"cannot begin a tag; use at most {refs.LONGEST_PREFIX} letters, digits and . _ -, "
        "and begin with neither a dot nor a hyphen."
    )
