"""The OCI distribution API: checks logins, reads what a cache ref holds, and writes caches.

Follows the OCI distribution specification 1.1 and the token flow of the "Docker Registry v2
authentication" documents.
"""

from __future__ import annotations

import base64
import math
import re
import time
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from warmbuild import lazy, refs, retries, signals, untrusted_json, vendors
from warmbuild.cache import probe
from warmbuild.cache.merging import MANIFEST_TYPE, Merged
from warmbuild.cache.probe import Answer, Found, Missing, Refused, Silent
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login
from warmbuild.registry import transports
from warmbuild.vendors.refusal import Refusal, excerpt, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from warmbuild.refs import Reference
    from warmbuild.registry import exchange
    from warmbuild.registry.exchange import Reply
    from warmbuild.registry.transports import Transport
else:
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")


@frozen
class Patience:
    """How long to wait for a registry, in seconds."""

    connect: float = 2.0
    answer: float
    total: float  # nothing goes on for longer, neither an answer nor the retries
    retry: float = math.inf  # no retry begins later
    pause: float  # before the first retry


@frozen
class Put:
    """The body of a request that writes."""

    content: bytes = b""
    media_type: str = ""
    method: str = "PUT"


# A busy registry may take seconds; waiting longer could cost more than the cache saves.
PROBE: Final = Patience(answer=15.0, total=15.0, retry=3.0, pause=0.5)
# A push needs its login, so it gets the time that a push would have.
LOGIN: Final = Patience(answer=30.0, total=30.0, pause=1.0)
# What a run can do without: digests of images, and records.
BRIEF: Final = Patience(answer=4.0, total=4.0, retry=0.0, pause=0.5)
_ACCEPT: Final = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
# The longest token that is accepted, in characters. The largest registries give some thousands.
_LONGEST_TOKEN: Final = 64 * 1024
_CHALLENGE_VALUE: Final = re.compile(r'\b(\w+)="([^"]*)"')
# The errors of an answer that are told.
_MOST_ERRORS: Final = 10


class Registry:
    """A client of one registry, with its session, login and tokens."""

    def __init__(
        self,
        host: str,
        login: Login | None,
        transport: Transport | None,
        patience: Patience = PROBE,
        say: Callable[[str], object] = str,
    ) -> None:
        """Talk to `host` as `login`; `say` gets each retry with its reason."""
        self.host = host
        self._patience = patience
        self._say = say
        self._login = login
        # Returns the login that is limited to the scope of a token, if any.
        self.scoped: Callable[[str], Login | None] = lambda _: None
        self._transport = transport or transports.default(host)
        self._session = exchange.session(self._transport, self._url("/"))
        self._authorization: dict[str, str] = {}
        # Of all answers together: only some of them identify the vendor.
        self._headers: dict[str, str] = {}

    def check_login(self, scope: str = "", purpose: str = "the image is pushed there") -> None:
        """Log in, for a token of a scope if the registry uses tokens.

        Raises RegistryError if the registry refuses the login, or does not answer.
        """
        login = self._login_for(scope)
        try:
            reply = self._ask("/v2/", scope=scope)
        except exchange.SilentError as error:
            raise RegistryError(
                f"the registry {self.host} {error}, and {purpose}. Check the input registry, and "
                "that this machine can reach it."
            ) from error
        if reply.status in {401, 403}:
            raise RegistryError(self._refused_login(login, reply))
        if retries.status_passes(reply.status):
            raise RegistryError(
                f"{self._words(reply)}, and {purpose}. This may be transient: run the job again "
                "later."
            )

    def _login_for(self, scope: str) -> Login | None:
        return (self.scoped(scope) if scope else None) or self._login

    def _refused_login(self, login: Login | None, reply: Reply) -> str:
        asks = reply.headers.get("www-authenticate", "").partition(" ")[0].lower()
        if login and login.scope and asks == "basic":
            return (
                f"the registry {self.host} uses no tokens, and a login with a scope "
                f"({login.scope}) only gets tokens. Give the login without its scope."
            )
        user = login.username if login else ""
        return (
            f"the registry {self.host} refuses the login of {user!r}: {_said(reply)}. "
            "Check username, password and registry."
        )

    def answer(self, ref: Reference) -> Answer:
        """Return what a cache ref holds; never raises."""
        try:
            found = self._answer(ref)
        except RegistryError as error:
            found = Refused(str(error))
        except exchange.SilentError as error:
            return Silent(f"the registry {self.host} {error}")
        return replace(found, vendor=vendors.detect(self.host, self._headers))

    def digest(self, ref: Reference) -> str:
        """Return the digest that a ref has at the moment; empty if the registry does not say.

        It does not count as a pull, of which some registries allow a number an hour.
        """
        path, scope = (
            f"/v2/{ref.path}/manifests/{ref.digest or ref.tag}",
            f"repository:{ref.path}:pull",
        )
        try:
            reply = self._ask(path, scope=scope, put=Put(method="HEAD"))
        except (RegistryError, exchange.SilentError):
            return ""
        said = reply.headers.get("docker-content-digest", "") if reply.is_ok else ""
        return said if refs.is_digest(said) else ""

    def fetch(self, ref: Reference, kind: str, name: str) -> bytes | None:
        """Return a part of a repository, in `manifests` or `blobs`; None if it is missing.

        It is cut, and its digest is not checked, if it has more than 1 MiB. Raises RegistryError
        if the registry refuses it, or does not answer.
        """
        try:
            reply = self._get(ref, kind, name, self._end())
        except exchange.SilentError as error:
            raise RegistryError(f"the registry {self.host} {error}") from error
        return reply.body if reply.is_ok else None

    def retag(self, ref: Reference, found: Found) -> None:
        """Tag a manifest of the same repository; raises RegistryError if that fails."""
        manifest = Put(content=found.manifest, media_type=found.media_type)
        self._put(ref, f"/v2/{ref.path}/manifests/{ref.tag}", manifest)

    def write(self, home: Reference, merged: Merged) -> Reference:
        """Write a cache or a record without a tag into a repository that has its layers.

        Raises RegistryError if the registry does not accept it in the time of one answer.
        """
        end = self._end()
        written = replace(home, tag="", digest=merged.digest)
        uploads = f"/v2/{home.path}/blobs/uploads/"
        begun = self._put(written, uploads, Put(method="POST"), end)
        # A login must not follow a registry that names another one, or its own without HTTPS.
        place = exchange.at_home(self._url(uploads), begun.headers.get("location", ""))
        if not place:
            raise RegistryError(f"{written} is not written: its upload location is another host")
        more = "&" if "?" in place else "?"
        content = Put(content=merged.config, media_type="application/octet-stream")
        self._put(written, f"{place}{more}digest={merged.config_digest}", content, end)
        manifest = Put(content=merged.manifest, media_type=MANIFEST_TYPE)
        self._put(written, f"/v2/{home.path}/manifests/{merged.digest}", manifest, end)
        return written

    def _put(self, written: Reference, path: str, put: Put, end: float | None = None) -> Reply:
        """Send a part of what is written; raises RegistryError if the registry does not accept it.

        `path` may be a URL, as the location of an upload is.
        """
        try:
            reply = self._ask(path, scope=f"repository:{written.path}:pull,push", put=put, end=end)
        except exchange.SilentError as error:
            raise RegistryError(
                f"{written} is not written: the registry {self.host} {error}"
            ) from error
        except RegistryError as error:
            raise RegistryError(f"{written} is not written: {error}") from error
        if not reply.is_ok:
            said = self._refused(written, reply, writing=True)
            raise RegistryError(f"{written} is not written: {said}")
        return reply

    def _answer(self, ref: Reference) -> Answer:
        end = self._end()

        def part(kind: str, digest: str) -> bytes | None:
            reply = self._get(ref, kind, digest, end)
            return reply.body if reply.is_ok else None

        found = self._get(ref, "manifests", ref.digest or ref.tag, end)
        if not found.is_ok:
            return Missing()
        return probe.look(
            found.body, media_type=found.headers.get("content-type", ""), digest="", fetch=part
        )

    def _get(self, ref: Reference, kind: str, name: str, end: float) -> Reply:
        """Ask for a part of a repository; raises RegistryError if it is refused."""
        path, scope = f"/v2/{ref.path}/{kind}/{name}", f"repository:{ref.path}:pull"
        reply = self._ask(path, scope=scope, digest=name if ":" in name else "", end=end)
        if reply.is_ok or reply.status == HTTPStatus.NOT_FOUND:
            return reply
        raise RegistryError(self._refused(ref, reply, writing=False))

    def _refused(self, ref: Reference, reply: Reply, *, writing: bool) -> str:
        """Return what the registry says of a cache ref, and what to do about it."""
        refusal = Refusal(status=reply.status, words=_errors(reply.body))
        vendor = vendors.detect(self.host, self._headers)
        return explained(self._words(reply), vendor, ref, refusal, writing=writing)

    def _words(self, reply: Reply) -> str:
        return f"the registry {self.host} says {_said(reply)}"

    def _end(self) -> float:
        return time.monotonic() + self._patience.total

    def _ask(
        self,
        path: str,
        *,
        scope: str,
        put: Put | None = None,
        digest: str = "",
        end: float | None = None,
    ) -> Reply:
        """Send a request, and retry it after a transient failure, until `end`.

        Raises SilentError if there is no answer, and RegistryError for one that cannot be trusted:
        it must have the digest that is asked for, and the one that the registry says it has.
        """
        attempt, end = 0, self._end() if end is None else end
        last = min(end - self._patience.connect, time.monotonic() + self._patience.retry)
        while True:
            attempt += 1
            try:
                reply = self._authorized(path, scope, put, end, by_digest=bool(digest))
            except exchange.UntrustedError as error:
                raise RegistryError(f"the registry {self.host} {error}") from error
            except exchange.SilentError as error:
                wait = self._wait(attempt, last) if error.passes else None
                if wait is None:
                    raise
                why = f"the registry {self.host} {error}"
            else:
                passes = retries.status_passes(reply.status)
                asked = retries.asked_for(
                    reply.headers.get("retry-after", ""), reply.headers.get("date", "")
                )
                wait = self._wait(attempt, last, asked) if passes else None
                if wait is None:
                    return reply if put else self._checked(reply, digest)
                why = f"the registry {self.host} says {reply.status}"
            self._say(f"{why}; retrying")
            time.sleep(wait)

    def _wait(self, attempt: int, last: float, asked: float | None = None) -> float | None:
        """Return the seconds until a retry, None if there is none; `last` is when it may begin."""
        left = last - time.monotonic()
        return retries.pause(attempt, asked, first=self._patience.pause, left=left)

    def _checked(self, reply: Reply, digest: str) -> Reply:
        """Return content that has its digest; raises RegistryError for other content.

        What is too large to be read whole has none, and is used for nothing.
        """
        said = reply.headers.get("docker-content-digest", "")
        if reply.is_ok and len(reply.body) <= probe.LARGEST:
            for expected in filter(None, (digest, said)):
                if not probe.has_digest(reply.body, expected):
                    raise RegistryError(
                        f"the registry {self.host} answers with content that does not have the "
                        f"digest {excerpt(expected)}"
                    )
        return reply

    def _authorized(
        self, path: str, scope: str, put: Put | None, end: float, *, by_digest: bool
    ) -> Reply:
        """Send a request with the credentials that the registry's challenge asks for."""
        request = exchange.Request(
            method=put.method if put else "GET",
            url=self._url(path),
            headers={"Content-Type": put.media_type}
            if put and put.content
            else {"Accept": _ACCEPT},
            authorization=self._authorization.get(scope, ""),
            content=put.content if put else b"",
            by_digest=by_digest,
        )
        reply = self._send(request, end)
        self._headers |= reply.headers
        if reply.status != HTTPStatus.UNAUTHORIZED:
            return reply
        kind, _, rest = reply.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "bearer":
            asking = self._token_request(challenge(rest), scope)
            granted = self._send(asking, end) if asking else None
            if granted and retries.status_passes(granted.status):
                return granted
            token = _token(granted) if granted else ""
            if not token:
                return reply
            self._authorization[scope] = f"Bearer {token}"
        elif kind.lower() == "basic" and self._login:
            self._authorization[scope] = _basic(self._login)
        else:
            return reply
        reply = self._send(replace(request, authorization=self._authorization[scope]), end)
        self._headers |= reply.headers
        return reply

    def _send(self, request: exchange.Request, end: float) -> Reply:
        return exchange.exchange(
            self._session,
            request,
            connect=self._patience.connect,
            answer=self._patience.answer,
            left=end - time.monotonic(),
        )

    def _url(self, path: str) -> str:
        host = refs.HUB_API if self.host == refs.DOCKER_HUB else self.host
        return f"{self._transport.scheme}://{host}{path}" if path.startswith("/") else path

    def _token_request(self, named: Mapping[str, str], scope: str) -> exchange.Request | None:
        """Return the request of a token from the realm that a challenge names, if that is a URL.

        Raises RegistryError if the login would be sent without HTTPS, though the registry has it.
        """
        realm, login = named.get("realm", ""), self._login_for(scope)
        try:
            parts = urlsplit(realm)
            is_url = (
                parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
            )
        except ValueError:
            return None
        if not is_url:
            return None
        if parts.scheme == "http" and self._transport.scheme == "https":
            raise RegistryError(
                f"the registry {self.host} names a token service without HTTPS: {excerpt(realm)}"
            )
        fields = {"service": named.get("service", ""), "scope": scope}
        fields = {name: value for name, value in fields.items() if value}
        if login and login.username == IDENTITY_TOKEN:
            form = {"grant_type": "refresh_token", "client_id": "warmbuild"}
            form["refresh_token"] = login.password
            return exchange.Request(
                method="POST",
                url=realm,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                content=urlencode(form | fields).encode(),
            )
        query = "&".join(filter(None, (parts.query, urlencode(fields))))
        return exchange.Request(
            url=parts._replace(query=query, fragment="").geturl(),
            headers={},
            authorization=_basic(login) if login else "",
        )


def ask(
    wanted: Iterable[Reference], registry_of: Callable[[str], Registry]
) -> Mapping[Reference, Answer]:
    """Ask for every ref at once; a registry that exceeds the total of PROBE is Silent."""

    def one(ref: Reference) -> Answer:
        return registry_of(ref.host).answer(ref)

    asked = {ref: partial(one, ref) for ref in dict.fromkeys(wanted)}
    silence = "the registry {} does not answer within {:.0f} s"
    late = {ref: Silent(silence.format(ref.host, PROBE.total)) for ref in asked}
    return {**late, **signals.at_once(asked, PROBE.total)}


def unreached(known: Mapping[str, Transport]) -> set[str]:
    """Return the registries to which this machine cannot connect; `known` has them by host."""
    return exchange.unreached(known, PROBE.connect) if known else set()


def challenge(values: str) -> Mapping[str, str]:
    """Return the values that follow the kind of a challenge."""
    return dict(_CHALLENGE_VALUE.findall(values))


def _token(granted: Reply) -> str:
    """Return the granted token, an empty text if it was refused or is none."""
    try:
        answer = untrusted_json.parsed(granted.body) if granted.is_ok else {}
    except ValueError:
        return ""
    token = untrusted_json.text(answer, "token") or untrusted_json.text(answer, "access_token")
    # It becomes a part of a header, and servers refuse long ones.
    is_one = token.isascii() and token.isprintable() and len(token) <= _LONGEST_TOKEN
    return token if is_one else ""


def _basic(login: Login) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _said(reply: Reply) -> str:
    """Return the status and the registry's error codes, without query, header and token."""
    text = f"{reply.status} to {excerpt(reply.asked)}"
    errors = _errors(reply.body)
    return f"{text} ({errors})" if errors else text


def _errors(body: bytes) -> str:
    """Return the codes and messages of the errors in an answer."""
    try:
        errors = untrusted_json.children(untrusted_json.parsed(body), "errors")
    except ValueError:
        return ""
    texts = (
        f"{untrusted_json.text(error, 'code')}: {untrusted_json.text(error, 'message')}"
        for error in islice(errors, _MOST_ERRORS)
    )
    return excerpt("; ".join(filter(None, (text.strip(" :") for text in texts))))
