"""The OCI distribution API over requests: who may log in, and what a cache ref holds.

Follows the OCI distribution specification 1.1 and the token flow of the "Docker Registry v2
authentication" documents.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from warmbuild import lazy, refs, retries, vendors
from warmbuild.cache import probe
from warmbuild.cache.merging import MANIFEST_TYPE, Merged
from warmbuild.cache.probe import Answer, Found, Missing, Refused, Silent
from warmbuild.errors import RegistryError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a registry is waited for, in seconds: to connect, and for an answer.

    No other try begins after `total`; `pause` is the one before the second.
    """

    connect: float = 2.0
    answer: float
    total: float
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a registry is to take; by POST it is asked for a place first."""

    content: bytes
    media_type: str
    method: str = "PUT"


# A cache is not worth more waiting than it saves.
PROBE: Final = Patience(answer=5.0, total=5.0, pause=0.5)
# What a push cannot do without is given the time that a push would have.
LOGIN: Final = Patience(answer=30.0, total=60.0, pause=1.0)
# How much of it is read at once, in bytes.
_PIECE: Final = 64 * 1024
_ACCEPT: Final = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_CHALLENGE_VALUE: Final = re.compile(r'(\w+)="([^"]*)"')
_HUB_API: Final = "registry-1.docker.io"


class Registry:
    """One registry: a session, the login for it, and the tokens that it gave."""

    def __init__(
        self,
        host: str,
        login: Login | None,
        transport: Transport | None,
        patience: Patience = PROBE,
        say: Callable[[str], object] = str,
    ) -> None:
        """Speak to `host` as `login`, in the way of `transport` where the user configured one.

        What is tried again is told to `say`, with its reason.
        """
        self.host = host
        self._patience = patience
        self._say = say
        self._login = login
        # Finds the login for a token of one scope, where there is one of its own.
        self.scoped: Callable[[str], Login | None] = lambda _: None
        default = Transport(scheme="http" if transports.is_loopback(host) else "https")
        self._transport = transport or default
        self._session = requests.Session()
        self._session.verify = self._transport.verify
        self._authorization: dict[str, str] = {}
        # All that it ever said, for only some of its answers tell whose registry it is.
        self._headers: dict[str, str] = {}

    def check_login(self, scope: str = "", purpose: str = "the image goes there") -> None:
        """Log in, for a token of a scope where the registry gives tokens.

        Raises RegistryError where the registry refuses the login, or has no answer.
        """
        login = self._login_for(scope)
        try:
            response, body = self._ask("/v2/", scope=scope)
        except requests.RequestException as error:
            message = (
                f"the registry {self.host} {self._why(error)}, and {purpose}. Check the "
                "input registry, and that this machine may reach it."
            )
            raise RegistryError(message) from error
        if response.status_code in {401, 403}:
            raise RegistryError(self._refused_login(login, response, body))
        if retries.status_passes(response.status_code):
            message = (
                f"the registry {self.host} says {_said(response, body)}, and {purpose}. "
                "This may pass: run the job again later."
            )
            raise RegistryError(message)

    def _login_for(self, scope: str) -> Login | None:
        return (self.scoped(scope) if scope else None) or self._login

    def _refused_login(self, login: Login | None, response: requests.Response, body: bytes) -> str:
        asks = response.headers.get("WWW-Authenticate", "").partition(" ")[0].lower()
        if login and login.scope and asks == "basic":
            return (
                f"the registry {self.host} gives no tokens, and a login with a scope "
                f"({login.scope}) is used for tokens alone. Give the login without its scope."
            )
        user = login.username if login else ""
        return (
            f"the registry {self.host} refuses the login of {user!r}: {_said(response, body)}. "
            "Check username, password and registry."
        )

    def answer(self, ref: Reference) -> Answer:
        """Say what a cache ref holds; never raises."""
        try:
            return replace(self._answer(ref), vendor=vendors.detect(self.host, self._headers))
        except RegistryError as error:
            return Refused(str(error))
        except requests.RequestException as error:
            return Silent(f"the registry {self.host} {self._why(error)}")

    def retag(self, ref: Reference, found: Found) -> None:
        """Give what was found another tag; no blob moves.

        Raises RegistryError where the registry does not take it.
        """
        path = f"/v2/{ref.path}/manifests/{ref.tag}"
        scope = f"repository:{ref.path}:pull,push"
        put = Put(content=found.manifest, media_type=found.media_type)
        try:
            response, body = self._ask(path, scope=scope, put=put)
        except requests.RequestException as error:
            message = f"{ref} is not written: the registry {self.host} {self._why(error)}"
            raise RegistryError(message) from error
        if not response.ok:
            said = self._refused(ref, response, body, writing=True)
            raise RegistryError(f"{ref} is not written: {said}")

    def write(self, home: Reference, merged: Merged) -> Reference:
        """Put a cache into a repository that has its layers, without a tag.

        Raises RegistryError where the registry does not take it.
        """
        written = replace(home, tag="", digest=merged.digest)
        try:
            begun = self._put(
                home, "/blobs/uploads/", Put(content=b"", media_type="", method="POST")
            )
            place = begun.headers.get("Location", "")
            if urlsplit(place).netloc not in {"", urlsplit(begun.url).netloc}:
                raise RegistryError(f"{written} is not written: its upload goes to another host")
            more = "&" if "?" in place else "?"
            content = Put(content=merged.config, media_type="application/octet-stream")
            self._put(home, f"{place}{more}digest={merged.config_digest}", content)
            manifest = Put(content=merged.manifest, media_type=MANIFEST_TYPE)
            self._put(home, f"/manifests/{merged.digest}", manifest)
        except requests.RequestException as error:
            message = f"{written} is not written: the registry {self.host} {self._why(error)}"
            raise RegistryError(message) from error
        return written

    def _put(self, home: Reference, place: str, put: Put) -> requests.Response:
        """Send a part of something to a path below a repository, or to a place that was given."""
        is_ours = place.startswith(("/blobs/", "/manifests/"))
        path = f"/v2/{home.path}{place}" if is_ours else place
        response, body = self._ask(path, scope=f"repository:{home.path}:pull,push", put=put)
        if not response.ok:
            raise RegistryError(self._refused(home, response, body, writing=True))
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
        said = f"the registry {self.host} says {_said(response, body)}"
        return explained(said, vendor, ref, refusal, writing=writing)

    def _ask(
        self, path: str, *, scope: str, put: Put | None = None
    ) -> tuple[requests.Response, bytes]:
        """GET, or put what is given, again where that may help.

        Return the answer and the beginning of its body, a byte more than BuildKit would read.
        Raises requests.RequestException where there is no answer.
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
                why = self._why(error)
            else:
                asked = retries.asked_for(
                    response.headers.get("Retry-After", ""), response.headers.get("Date", "")
                )
                passes = retries.status_passes(response.status_code)
                wait = self._wait(attempt, begun, asked) if passes else None
                if wait is None:
                    return response, body
                why = f"says {response.status_code}"
            self._say(f"the registry {self.host} {why}; it is asked again")
            time.sleep(wait)

    def _wait(self, attempt: int, begun: float, asked: float | None = None) -> float | None:
        """Return the seconds until another try that can still connect, None where there is none."""
        left = begun + self._patience.total - self._patience.connect - time.monotonic()
        return retries.pause(attempt, asked, first=self._patience.pause, left=left)

    def _authorized(
        self, path: str, scope: str, put: Put | None
    ) -> tuple[requests.Response, bytes]:
        """Ask with whatever the registry's challenge asks for."""
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
        host = _HUB_API if self.host == refs.DOCKER_HUB else self.host
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
        """Ask the realm that a challenge names for a token."""
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

    @property
    def _timeout(self) -> tuple[float, float]:
        return self._patience.connect, self._patience.answer

    def _why(self, error: requests.RequestException) -> str:
        """Return half a sentence on why there was no answer."""
        connect, answer = self._timeout
        if isinstance(error, requests.ConnectTimeout):
            return f"cannot be reached within {connect:.0f} s"
        if isinstance(error, requests.Timeout):
            return f"does not answer within {answer:.0f} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "has a certificate that is not trusted here"
        if retries.passes(_origin(error)):
            return "breaks the connection off"
        return "cannot be reached"


def ask(
    wanted: Iterable[Reference], registry_of: Callable[[str], Registry]
) -> Mapping[Reference, Answer]:
    """Ask for every ref at once; a registry that takes longer than a probe may in all is silent.

    The threads are daemons: one that hangs is left behind and does not hold up the exit.
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
    silence = f"does not answer within {PROBE.total:.0f} s"
    late = {ref: Silent(f"the registry {ref.host} {silence}") for ref in threads}
    # A copy, for a late thread still writes.
    return late | dict(answers)


def _header(value: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what sets the Authorization header, or none: else requests would read ~/.netrc."""

    def set_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if value:
            request.headers["Authorization"] = value
        return request

    return set_header


def _origin(error: BaseException) -> str:
    """Return what an error came from, as text: requests wraps urllib3's, which wrap sockets'."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _token(granted: requests.Response) -> str | None:
    """Read the token that was granted; None where it was refused."""
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
    """Return status and the registry's own error codes; never a query, a header or a token."""
    asked = (response.history or [response])[0].request
    text = f"{response.status_code} to {asked.method} {urlsplit(asked.url or '').path}"
    errors = _errors(body)
    return f"{text} ({errors})" if errors else text


def _errors(body: bytes) -> str:
    """Return the errors that an answer names, each with its code and what it says."""
    try:
        errors = json.loads(body)["errors"]
        codes = [f"{error['code']}: {error.get('message', '')}".strip(" :") for error in errors]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(codes)[:300]
