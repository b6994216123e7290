"""The OCI distribution API: checks logins, reads what a cache ref holds, and writes caches.

Follows the OCI distribution specification 1.1 and the token flow of the "Docker Registry v2
authentication" documents.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from warmbuild import lazy, refs, retries, vendors
from warmbuild.cache import probe
from warmbuild.cache.merging import MANIFEST_TYPE, Merged
from warmbuild.cache.probe import Answer, Found, Missing, Refused, Silent
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login
from warmbuild.registry import transports
from warmbuild.registry.transports import Transport
from warmbuild.vendors.refusal import Refusal, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import requests

    from warmbuild.refs import Reference
else:
    requests = lazy.module("requests")


@frozen
class Patience:
    """How long to wait for a registry, in seconds."""

    connect: float = 2.0
    answer: float
    total: float  # no retry begins later
    pause: float  # before the first retry


@frozen
class Put:
    """The body of a request that writes."""

    content: bytes = b""
    media_type: str = ""
    method: str = "PUT"


# Waiting longer for a cache could cost more than the cache saves.
PROBE: Final = Patience(answer=5.0, total=5.0, pause=0.5)
# A push needs its login, so it gets the time that a push would have.
LOGIN: Final = Patience(answer=30.0, total=60.0, pause=1.0)
# How much of a body is read at once, in bytes.
_PIECE: Final = 64 * 1024
_ACCEPT: Final = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_CHALLENGE_VALUE: Final = re.compile(r'(\w+)="([^"]*)"')


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
        self._timeout = (patience.connect, patience.answer)
        self._say = say
        self._login = login
        # Returns the login that is limited to the scope of a token, if any.
        self.scoped: Callable[[str], Login | None] = lambda _: None
        default = Transport(scheme="http" if transports.is_loopback(host) else "https")
        self._transport = transport or default
        self._session = requests.Session()
        self._session.verify = self._transport.verify
        self._authorization: dict[str, str] = {}
        # Of all answers together: only some of them identify the vendor.
        self._headers: dict[str, str] = {}

    def check_login(self, scope: str = "", purpose: str = "the image is pushed there") -> None:
        """Log in, for a token of a scope if the registry uses tokens.

        Raises RegistryError if the registry refuses the login, or does not answer.
        """
        login = self._login_for(scope)
        try:
            response, body = self._ask("/v2/", scope=scope)
        except requests.RequestException as error:
            raise RegistryError(
                f"{self._silence(error)}, and {purpose}. Check the input registry, and that this "
                "machine can reach it."
            ) from error
        if response.status_code in {401, 403}:
            raise RegistryError(self._refused_login(login, response, body))
        if retries.status_passes(response.status_code):
            raise RegistryError(
                f"{self._words(response, body)}, and {purpose}. This may be transient: run the job "
                "again later."
            )

    def _login_for(self, scope: str) -> Login | None:
        return (self.scoped(scope) if scope else None) or self._login

    def _refused_login(self, login: Login | None, response: requests.Response, body: bytes) -> str:
        asks = response.headers.get("WWW-Authenticate", "").partition(" ")[0].lower()
        if login and login.scope and asks == "basic":
            return (
                f"the registry {self.host} uses no tokens, and a login with a scope "
                f"({login.scope}) only gets tokens. Give the login without its scope."
            )
        user = login.username if login else ""
        return (
            f"the registry {self.host} refuses the login of {user!r}: {_said(response, body)}. "
            "Check username, password and registry."
        )

    def answer(self, ref: Reference) -> Answer:
        """Return what a cache ref holds; never raises."""
        try:
            return replace(self._answer(ref), vendor=vendors.detect(self.host, self._headers))
        except RegistryError as error:
            return Refused(str(error))
        except requests.RequestException as error:
            return Silent(self._silence(error))

    def retag(self, ref: Reference, found: Found) -> None:
        """Tag a manifest of the same repository; raises RegistryError if that fails."""
        manifest = Put(content=found.manifest, media_type=found.media_type)
        self._put(ref, f"/v2/{ref.path}/manifests/{ref.tag}", manifest)

    def write(self, home: Reference, merged: Merged) -> Reference:
        """Write a cache without a tag into a repository that has its layers.

        Raises RegistryError if the registry does not accept it.
        """
        written = replace(home, tag="", digest=merged.digest)
        base = f"/v2/{home.path}"
        begun = self._put(written, f"{base}/blobs/uploads/", Put(method="POST"))
        place = begun.headers.get("Location", "")
        if urlsplit(place).netloc not in {"", urlsplit(begun.url).netloc}:
            raise RegistryError(f"{written} is not written: its upload location is another host")
        more = "&" if "?" in place else "?"
        content = Put(content=merged.config, media_type="application/octet-stream")
        self._put(written, f"{place}{more}digest={merged.config_digest}", content)
        manifest = Put(content=merged.manifest, media_type=MANIFEST_TYPE)
        self._put(written, f"{base}/manifests/{merged.digest}", manifest)
        return written

    def _put(self, written: Reference, path: str, put: Put) -> requests.Response:
        """Send a part of what is written; raises RegistryError if the registry does not accept it.

        `path` may be a URL, as the location of an upload is.
        """
        try:
            scope = f"repository:{written.path}:pull,push"
            response, body = self._ask(path, scope=scope, put=put)
        except requests.RequestException as error:
            raise RegistryError(f"{written} is not written: {self._silence(error)}") from error
        if not response.ok:
            said = self._refused(written, response, body, writing=True)
            raise RegistryError(f"{written} is not written: {said}")
        return response

    def _answer(self, ref: Reference) -> Answer:
        scope = f"repository:{ref.path}:pull"
        response, body = self._ask(f"/v2/{ref.path}/manifests/{ref.digest or ref.tag}", scope=scope)

        def part(kind: str, digest: str) -> bytes | None:
            response, body = self._ask(f"/v2/{ref.path}/{kind}/{digest}", scope=scope)
            if response.ok:
                return body
            if response.status_code == requests.codes.not_found:
                return None
            raise RegistryError(self._refused(ref, response, body, writing=False))

        if response.ok:
            return probe.look(
                body,
                media_type=response.headers.get("Content-Type", ""),
                digest=response.headers.get("Docker-Content-Digest", ""),
                fetch=part,
            )
        if response.status_code == requests.codes.not_found:
            return Missing()
        return Refused(self._refused(ref, response, body, writing=False))

    def _refused(
        self, ref: Reference, response: requests.Response, body: bytes, *, writing: bool
    ) -> str:
        """Return what the registry says of a cache ref, and what to do about it."""
        refusal = Refusal(status=response.status_code, words=_errors(body))
        vendor = vendors.detect(self.host, self._headers)
        return explained(self._words(response, body), vendor, ref, refusal, writing=writing)

    def _words(self, response: requests.Response, body: bytes) -> str:
        return f"the registry {self.host} says {_said(response, body)}"

    def _ask(
        self, path: str, *, scope: str, put: Put | None = None
    ) -> tuple[requests.Response, bytes]:
        """Send a request, and retry it after a transient failure.

        Returns the answer and the beginning of its body, which is longer than what BuildKit reads
        if the body is. Raises requests.RequestException if there is no answer.
        """
        begun, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                response, body = self._authorized(path, scope, put)
            except requests.RequestException as error:
                wait = self._wait(attempt, begun) if retries.passes(_origin(error)) else None
                if wait is None:
                    raise
                why = self._silence(error)
            else:
                asked = retries.asked_for(
                    response.headers.get("Retry-After", ""), response.headers.get("Date", "")
                )
                passes = retries.status_passes(response.status_code)
                wait = self._wait(attempt, begun, asked) if passes else None
                if wait is None:
                    return response, body
                why = f"the registry {self.host} says {response.status_code}"
            self._say(f"{why}; retrying")
            time.sleep(wait)

    def _wait(self, attempt: int, begun: float, asked: float | None = None) -> float | None:
        """Return the seconds until a retry, None if no retry could connect in time."""
        left = begun + self._patience.total - self._patience.connect - time.monotonic()
        return retries.pause(attempt, asked, first=self._patience.pause, left=left)

    def _authorized(
        self, path: str, scope: str, put: Put | None
    ) -> tuple[requests.Response, bytes]:
        """Send a request with the credentials that the registry's challenge asks for."""
        response, body = self._send(path, self._authorization.get(scope, ""), put)
        if response.status_code != requests.codes.unauthorized:
            return response, body
        kind, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if kind.lower() == "bearer":
            granted = self._grant(dict(_CHALLENGE_VALUE.findall(rest)), scope)
            if retries.status_passes(granted.status_code):
                return granted, granted.content
            token = _token(granted)
            if token is None:
                return response, body
            self._authorization[scope] = f"Bearer {token}"
        elif kind.lower() == "basic" and self._login:
            self._authorization[scope] = _basic(self._login)
        else:
            return response, body
        return self._send(path, self._authorization[scope], put)

    def _send(
        self, path: str, authorization: str, put: Put | None
    ) -> tuple[requests.Response, bytes]:
        host = refs.HUB_API if self.host == refs.DOCKER_HUB else self.host
        with self._session.request(
            put.method if put else "GET",
            urljoin(f"{self._transport.scheme}://{host}", path),
            headers={"Content-Type": put.media_type} if put else {"Accept": _ACCEPT},
            data=put.content if put else None,
            auth=_header(authorization),
            timeout=self._timeout,
            stream=True,
        ) as response:
            self._headers |= {name.lower(): value for name, value in response.headers.items()}
            body = b""
            for piece in response.iter_content(_PIECE):
                body += piece
                if len(body) > probe.LARGEST:
                    break
            return response, body

    def _grant(self, challenge: Mapping[str, str], scope: str) -> requests.Response:
        """Request a token from the realm that a challenge names."""
        realm, login = challenge.get("realm", ""), self._login_for(scope)
        fields = {"service": challenge.get("service", ""), "scope": scope}
        fields = {name: value for name, value in fields.items() if value}
        if login and login.username == IDENTITY_TOKEN:
            form = {"grant_type": "refresh_token", "client_id": "warmbuild"}
            form["refresh_token"] = login.password
            return self._session.post(
                realm, data=form | fields, auth=_header(""), timeout=self._timeout
            )
        authorization = _basic(login) if login else ""
        return self._session.get(
            realm, params=fields, auth=_header(authorization), timeout=self._timeout
        )

    def _silence(self, error: requests.RequestException) -> str:
        """Return a sentence, without its period, that says why there was no answer."""
        if isinstance(error, requests.ConnectTimeout):
            why = f"cannot be reached within {self._patience.connect:.0f} s"
        elif isinstance(error, requests.Timeout):
            why = f"does not answer within {self._patience.answer:.0f} s"
        elif isinstance(error, requests.exceptions.SSLError):
            why = "has a certificate that is not trusted here"
        elif retries.passes(_origin(error)):
            why = "closes the connection early"
        else:
            why = "cannot be reached"
        return f"the registry {self.host} {why}"


def ask(
    wanted: Iterable[Reference], registry_of: Callable[[str], Registry]
) -> Mapping[Reference, Answer]:
    """Ask for every ref at once; a registry that exceeds the total of PROBE is Silent.

    The threads are daemons, so that a thread that hangs does not delay the exit.
    """
    answers: dict[Reference, Answer] = {}

    def one(ref: Reference) -> None:
        answers[ref] = registry_of(ref.host).answer(ref)

    threads = {
        ref: threading.Thread(target=one, args=(ref,), daemon=True) for ref in dict.fromkeys(wanted)
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + PROBE.total
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    silence = "the registry {} does not answer within {:.0f} s"
    late = {ref: Silent(silence.format(ref.host, PROBE.total)) for ref in threads}
    # A copy, because a late thread still writes.
    return late | dict(answers)


def _header(value: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return an `auth` of requests that sets this header, if any, and keeps ~/.netrc unread."""

    def set_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if value:
            request.headers["Authorization"] = value
        return request

    return set_header


def _origin(error: BaseException) -> str:
    """Return an error's innermost cause as text: requests wraps urllib3, which wraps sockets."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _token(granted: requests.Response) -> str | None:
    """Return the granted token, None if it was refused."""
    try:
        answer = granted.json() if granted.ok else {}
    except ValueError:
        return None
    token = answer.get("token") or answer.get("access_token")
    return token if isinstance(token, str) else None


def _basic(login: Login) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _said(response: requests.Response, body: bytes) -> str:
    """Return the status and the registry's error codes, without query, header and token."""
    asked = (response.history or [response])[0].request
    text = f"{response.status_code} to {asked.method} {urlsplit(asked.url or '').path}"
    errors = _errors(body)
    return f"{text} ({errors})" if errors else text


def _errors(body: bytes) -> str:
    """Return the codes and messages of the errors in an answer."""
    try:
        errors = json.loads(body)["errors"]
        codes = [f"{error['code']}: {error.get('message', '')}".strip(" :") for error in errors]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(codes)[:300]
