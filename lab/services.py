"""The services that only some tests need: three that keep caches, and a collector of traces."""

from __future__ import annotations

import base64
import json
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab import api, golang, npm, processes
from lab.layout import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lab.layout import Layout

S3_BUCKET = "warmbuild"
S3_REGION = "us-east-1"
S3_KEY_ID = "warmbuild"
S3_SECRET = "lab/s3+secret/of+loopback"  # noqa: S105  a bucket on loopback that holds nothing
AZBLOB_ACCOUNT = "devstoreaccount1"
# The development account that every emulator of Azure's storage has.
AZBLOB_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
AZURITE_SOURCES = SOURCES / "azurite"
STOP_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service on the loopback interface.

    `command` makes its program and returns how it is started; `folders` have to be in its
    directory before that.
    """

    name: str
    port: int
    command: Callable[[Layout, Service], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://{self.host}"

    def output(self, layout: Layout) -> Path:
        """Return the file with what it says once it listens."""
        return layout.logs / f"{self.name}.stdout.log"


def answers(layout: Layout, service: Service) -> bool:
    """Return whether a service speaks HTTP, and has said so."""
    output = service.output(layout)
    return api.answers(service.address, "/") and output.exists() and output.stat().st_size > 0


def start(layout: Layout, service: Service) -> None:
    """Start an empty service, unless it answers; make its program when that was not made yet."""
    argv = service.command(layout, service)
    if _pids(layout, service) and answers(layout, service):
        return
    stop(layout, service)
    api.refuse_stranger(service.address)
    directory = layout.service(service.name)
    shutil.rmtree(directory, ignore_errors=True)
    for folder in ("", *service.folders):
        (directory / folder).mkdir(parents=True)
    output, log = service.output(layout), layout.logs / f"{service.name}.log"
    process = processes.start(argv, output=output, errors=log, extra=service.environment)
    processes.wait_until(lambda: answers(layout, service), process, log)


def stop(layout: Layout, service: Service) -> None:
    """Stop a service that the lab started."""
    processes.stop(_pids(layout, service), number=signal.SIGTERM, seconds=STOP_SECONDS)


def github_url(layout: Layout) -> str:
    """Return what a job finds in ACTIONS_CACHE_URL."""
    return f"{GHA.output(layout).read_text().splitlines()[0]}/"


def github_token() -> str:
    """Return what a job of the branch main finds in ACTIONS_RUNTIME_TOKEN.

    BuildKit reads the claims of this JWT, and nobody checks its signature.
    """
    may_read_and_write = 3
    scopes = [{"Scope": "refs/heads/main", "Permission": may_read_and_write}]
    begin, end = 0, 4102444800  # the years 1970 and 2100
    claims = {"nbf": begin, "exp": end, "ac": json.dumps(scopes)}
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    texts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*texts, ""])


def traces(layout: Layout) -> Path:
    """Return the file with the traces that the collector got: an object of OTLP's JSON a line."""
    return layout.service(OTELCOL.name) / "traces.jsonl"


def _pids(layout: Layout, service: Service) -> list[int]:
    return processes.find({"gha", "versitygw", "node", "otelcol"}, layout.service(service.name))


def _run_gha(layout: Layout, service: Service) -> list[str]:
    program = golang.build_gha(layout)
    return [str(program), f"-port={service.port}", f"-directory={layout.service(service.name)}"]


def _run_versitygw(layout: Layout, service: Service) -> list[str]:
    program = golang.build_versitygw(layout)
    options = [f"--port={service.host}", f"--region={S3_REGION}"]
    return [str(program), *options, "posix", str(layout.service(service.name))]


def _run_azurite(layout: Layout, service: Service) -> list[str]:
    program = npm.install(layout, AZURITE_SOURCES) / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = [f"--blobPort={service.port}", f"--location={layout.service(service.name)}"]
    return ["node", str(program), "--blobHost=127.0.0.1", *options, "--disableTelemetry"]


def _run_otelcol(layout: Layout, service: Service) -> list[str]:
    listens = {"protocols": {"http": {"endpoint": service.host}}}
    # Whole lines, and at once: a test reads the file.
    writes = {"path": str(traces(layout)), "flush_interval": "50ms"}
    config = {
        "receivers": {"otlp": listens},
        "exporters": {"file": writes},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"output_paths": ["stdout"]}},
        },
    }
    return [str(golang.build_otelcol(layout)), f"--config=yaml:{json.dumps(config)}"]


GHA = Service(name="gha", port=5020, command=_run_gha)
S3 = Service(
    name="s3",
    port=5021,
    command=_run_versitygw,
    environment={"ROOT_ACCESS_KEY_ID": S3_KEY_ID, "ROOT_SECRET_ACCESS_KEY": S3_SECRET},
    folders=(S3_BUCKET,),
)
AZBLOB = Service(name="azblob", port=5022, command=_run_azurite)
OTELCOL = Service(name="otelcol", port=5023, command=_run_otelcol)
SERVICES = (GHA, S3, AZBLOB, OTELCOL)
