"""What no log of a run may show: collected from inputs, environment and files, and hidden."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from warmbuild import backends, files, lazy, secret_texts
from warmbuild.builder import environment
from warmbuild.inputs.table import TABLE
from warmbuild.registry import docker_config
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.report import collector
    from warmbuild.trust import Trust
else:
    collector = lazy.module("warmbuild.report.collector")

# In bytes. Keys, certificates and configurations are smaller; BuildKit takes up to 500 kB.
_LARGEST: Final = 64 * 1024
# OpenTelemetry's variables for headers, which hold tokens.
_HEADERS: Final = re.compile(r"OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?HEADERS")


def hide_given(given: Mapping[str, str], log: Log) -> None:
    """Hide what is secret in inputs that are not parsed yet, for errors show parts of them."""
    log.hide_here(given.get(row.name, "") for row in TABLE if row.secret)
    for row in TABLE:
        if not row.secret:
            find = secret_texts.in_attributes if row.may_hold_secrets else secret_texts.in_urls
            log.hide(find(given.get(row.name, "")))


def hide(inputs: Inputs, env: Mapping[str, str], log: Log) -> None:
    """Hide every secret that a run knows, before it does anything."""
    log.hide(inputs.secret_values)
    log.hide(env.get(secret.variable, "") for secret in inputs.secrets if secret.variable)
    entries = (*inputs.cache_from, *inputs.cache_to)
    for backend in filter(None, (inputs.cache_backend, *map(backends.of_entry, entries))):
        found = (env.get(name, "") for name in backend.secrets.values())
        log.hide(filter(secret_texts.is_worth_hiding, found))
    for entry in entries:
        log.hide(secret_texts.in_attributes(entry))
    for texts in environment.certificates(env).values():
        log.hide(filter(secret_texts.is_worth_hiding, texts.values()))
    config = docker_config.read_config(env)
    log.hide(filter(secret_texts.is_worth_hiding, docker_config.secrets(config)))
    log.hide(docker_config.proxy_passwords(config))
    if headers := [text for name, text in env.items() if _HEADERS.fullmatch(name)]:
        log.hide(collector.secrets(headers))
    for path in _files(inputs):
        hide_file(path, log)


def hide_file(path: str, log: Log) -> None:
    """Hide the content of a secret's file; of a binary file, hide what base64 makes of it."""
    data = _read(path)[:_LARGEST]
    try:
        log.hide([data.decode()])
    except ValueError:
        log.hide([base64.b64encode(data).decode()])


def not_hidden(inputs: Inputs) -> Iterator[str]:
    """Return warnings of secrets that the log cannot hide."""
    for path in _files(inputs):
        if len(_read(path)) > _LARGEST:
            yield (
                f"secret-files: only the first {_LARGEST // 1024} kB of {path} are hidden in the "
                "log; make sure that no step prints the rest"
            )


def withheld(env: Mapping[str, str], trust: Trust) -> Iterator[str]:
    """Return the warning that untrusted code does not get the proxies, if it does not."""
    untrusted = trust.refuses(Right.READ_ENVIRONMENT)
    if untrusted and any(docker_config.proxy_passwords(docker_config.read_config(env))):
        yield (
            "the build does not get the proxies of the Docker configuration, because one has a "
            f"password, and {untrusted}"
        )


def _files(inputs: Inputs) -> Iterator[str]:
    return (secret.path for secret in inputs.secrets if secret.path)


def _read(path: str) -> bytes:
    """Return the beginning of a regular file, one byte more than is hidden; else nothing."""
    try:
        with files.opened(path) as file:
            return file.read(_LARGEST + 1)
    except OSError:
        return b""
