"""The OCI distribution API over requests: who may log in, and what a cache ref holds.

Follows the OCI distribution specification 1.1 and the token flow of the "Docker Registry v2
authentication" documents.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import threading
import time
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from warmbuild import probe, refs, vendors
from warmbuild.errors import RegistryError
from warmbuild.inputs import IDENTITY_TOKEN, Login
from warmbuild.probe import Answer, Found, Missing, Refused, Silent
from warmbuild.vendors.refusal import Refusal, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Seconds to connect, and in all: a cache is not worth more waiting than it saves.
CONNECT_TIMEOUT: Final = 2.0
TIMEOUT: Final = 5.0
# Seconds for an answer to a login, which a push cannot do without.
LOGIN_TIMEOUT: Final = 30.0
_ACCEPT: Final = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_CHALLENGE_VALUE: Final = re.compile(r'(\w+)="([^"]*)"')
_HUB_API: Final = "registry-1.docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How a registry is reached; `verify` is what requests takes: a CA file, or yes or no."""

    scheme: str = "https"
    verify: bool | str = True


def transports(buildkitd_config: str) -> Mapping[str, Transport]:
    """Return what the BuildKit daemon's configuration says of registries, by host.

    The probe has to reach a registry in the way in which BuildKit will. A text that is no TOML
    says nothing here; BuildKit reports it.
    """
    try:
        registries = tomllib.loads(buildkitd_config).get("registry", {})
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, Transport] = {}
    for host, entry in registries.items() if isinstance(registries, dict) else ():
        if not isinstance(entry, dict):
            continue
        authorities = entry.get("ca")
        found[host] = Transport(
            scheme="http" if entry.get("http") is True else "https",
            verify=(
                False
                if entry.get("insecure") is True
                else str(authorities[0])
                if isinstance(authorities, list) and authorities
                else True
            ),
        )
    return found


def is_loopback(host: str) -> bool:
    """Say whether a registry is on this machine, where Docker and BuildKit speak plain HTTP."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class Registry:
    """One registry: a session, the login for it, and the tokens that it gave."""

    def __init__(
        self,
        host: str,
        login: Login | None,
        transport: Transport | None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Speak to `host` as `login`, in the way of `transport` where the user configured one.

        `timeout` is for each answer, in seconds.
        """
        self.host = host
        self._timeout = (CONNECT_TIMEOUT, timeout)
        self._login = login
        default = Transport(scheme="http" if is_loopback(host) else "https")
        self._transport = transport or default
        self._session = requests.Session()
        self._session.verify = self._transport.verify
        self._authorization: dict[str, str] = {}
        # All that it ever said, for only some of its answers tell whose registry it is.
        self._headers: dict[str, str] = {}

    def check_login(self) -> None:
        """Log in.

        Raises RegistryError where the registry refuses the login, or cannot be reached.
        """
        try:
            response = self._get("/v2/", scope="")
        except requests.RequestException as error:
            message = (
                f"the registry {self.host} {self._why(error)}, and the image goes there. Check the "
                "input registry, and that this machine may reach it."
            )
            raise RegistryError(message) from error
        if response.status_code in {401, 403}:
            user = self._login.username if self._login else ""
            message = (
                f"the registry {self.host} refuses the login of {user!r}: "
                f"{_said(response, 'GET /v2/')}. Check username, password and registry."
            )
            raise RegistryError(message)

    def answer(self, ref: refs.Reference) -> Answer:
        """Say what a cache ref holds; never raises."""
        try:
            return replace(self._answer(ref), vendor=vendors.detect(self.host, self._headers))
        except requests.RequestException as error:
            return Silent(f"the registry {self.host} {self._why(error)}")
        except Exception as error:  # noqa: BLE001 (urllib3's, for a body that ends early or hangs)
            return Silent(f"the registry {self.host} broke off: {error}")

    def retag(self, ref: refs.Reference, found: Found) -> None:
        """Give what was found another tag; no blob moves.

        Raises RegistryError where the registry does not take it.
        """
        path = f"/v2/{ref.path}/manifests/{ref.tag}"
        scope = f"repository:{ref.path}:pull,push"
        content = {"Content-Type": found.media_type}
        try:
            response = self._ask("PUT", path, scope=scope, data=found.manifest, headers=content)
            said = self._refused(ref, response, f"PUT {path}", writing=True)
        except requests.RequestException as error:
            message = f"{ref} is not written: the registry {self.host} {self._why(error)}"
            raise RegistryError(message) from error
        if not response.ok:
            raise RegistryError(f"{ref} is not written: {said}")

    def _answer(self, ref: refs.Reference) -> Answer:
        path = f"/v2/{ref.path}/manifests/{ref.digest or ref.tag}"
        response, body = self._fetch(ref, path)
        if response.ok:
            return probe.look(
                body,
                media_type=response.headers.get("Content-Type", ""),
                digest=response.headers.get("Docker-Content-Digest", ""),
                fetch=lambda kind, digest: self._part(ref, f"{kind}/{digest}"),
            )
        if response.status_code == requests.codes.not_found:
            return Missing()
        return Refused(self._refused(ref, response, f"GET {path}", body, writing=False))

    def _refused(
        self,
        ref: refs.Reference,
        response: requests.Response,
        request: str,
        body: bytes | None = None,
        *,
        writing: bool,
    ) -> str:
        """Return what the registry says of a cache ref, and what to do about it."""
        refusal = Refusal(status=response.status_code, words=_errors(response, body))
        vendor = vendors.detect(self.host, self._headers)
        said = f"the registry {self.host} says {_said(response, request, body)}"
        return explained(said, vendor, ref, refusal, writing=writing)

    def _part(self, ref: refs.Reference, place: str) -> bytes | None:
        response, body = self._fetch(ref, f"/v2/{ref.path}/{place}")
        return body if response.ok else None

    def _fetch(self, ref: refs.Reference, path: str) -> tuple[requests.Response, bytes]:
        """Return an answer and as much of its body as BuildKit would read, and a byte."""
        response = self._get(path, scope=f"repository:{ref.path}:pull")
        return response, bytes(response.raw.read(probe.LARGEST + 1, decode_content=True))

    def _get(self, path: str, *, scope: str) -> requests.Response:
        return self._ask("GET", path, scope=scope)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request with whatever the registry's challenge asks for."""

        def send() -> requests.Response:
            host = _HUB_API if self.host == refs.DOCKER_HUB else self.host
            response = self._session.request(
                method,
                f"{self._transport.scheme}://{host}{path}",
                headers={"Accept": _ACCEPT, **(headers or {})},
                auth=_Header(self._authorization.get(scope, "")),
                data=data,
                timeout=self._timeout,
                stream=True,
            )
            self._headers |= {name.lower(): value for name, value in response.headers.items()}
            return response

        response = send()
        if response.status_code != requests.codes.unauthorized:
            return response
        kind, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if kind.lower() == "bearer":
            granted = self._token(dict(_CHALLENGE_VALUE.findall(rest)), scope)
            if granted is None:
                return response
            self._authorization[scope] = f"Bearer {granted}"
        elif kind.lower() == "basic" and self._login:
            self._authorization[scope] = _basic(self._login)
        else:
            return response
        return send()

    def _token(self, challenge: Mapping[str, str], scope: str) -> str | None:
        """Fetch a token from the realm that a challenge names; None where it is refused."""
        realm = challenge.get("realm", "")
        fields = {"service": challenge.get("service", ""), "scope": scope}
        fields = {name: value for name, value in fields.items() if value}
        if self._login and self._login.username == IDENTITY_TOKEN:
            form = {"grant_type": "refresh_token", "client_id": "warmbuild"}
            form["refresh_token"] = self._login.password
            response = self._session.post(
                realm, data=form | fields, auth=_Header(""), timeout=self._timeout
            )
        else:
            authorization = _basic(self._login) if self._login else ""
            response = self._session.get(
                realm, params=fields, auth=_Header(authorization), timeout=self._timeout
            )
        if not response.ok:
            return None
        try:
            granted = response.json()
        except ValueError:
            return None
        token = granted.get("token") or granted.get("access_token")
        return token if isinstance(token, str) else None

    def _why(self, error: requests.RequestException) -> str:
        """Return half a sentence on why there was no answer."""
        connect, answer = self._timeout
        if isinstance(error, requests.ConnectTimeout):
            return f"cannot be reached within {connect:.0f} s"
        if isinstance(error, requests.Timeout):
            return f"does not answer within {answer:.0f} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "has a certificate that is not trusted here"
        return "cannot be reached"


def ask(
    wanted: Iterable[refs.Reference], registry_of: Callable[[str], Registry]
) -> Mapping[refs.Reference, Answer]:
    """Ask for every ref at once; a registry that takes longer than TIMEOUT in all is silent.

    The threads are daemons: one that hangs is left behind and does not hold up the exit.
    """
    answers: dict[refs.Reference, Answer] = {}

    def one(ref: refs.Reference) -> None:
        answers[ref] = registry_of(ref.host).answer(ref)

    threads = {
        ref: threading.Thread(target=one, args=(ref,), daemon=True) for ref in dict.fromkeys(wanted)
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + TIMEOUT
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    silence = f"does not answer within {TIMEOUT:.0f} s"
    late = {ref: Silent(f"the registry {ref.host} {silence}") for ref in threads}
    # A copy, for a late thread still writes.
    return late | dict(answers)


class _Header(AuthBase):
    """Sets the Authorization header, or none: without it requests would look into ~/.netrc."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.value:
            request.headers["Authorization"] = self.value
        return request


def _basic(login: Login) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _said(response: requests.Response, request: str, body: bytes | None = None) -> str:
    """Return status and the registry's own error codes; never a query, a header or a token."""
    text, errors = f"{response.status_code} to {request}", _errors(response, body)
    return f"{text} ({errors})" if errors else text


def _errors(response: requests.Response, body: bytes | None) -> str:
    """Return the errors that an answer names, each with its code and what it says."""
    try:
        errors = json.loads(response.content if body is None else body)["errors"]
        codes = [f"{error['code']}: {error.get('message', '')}".strip(" :") for error in errors]
    except (ValueError, KeyError, TypeError, requests.RequestException):
        return ""
    return "; ".join(codes)[:300]
