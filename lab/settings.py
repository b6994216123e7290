"""What a shell or a test needs to use the lab, as environment variables."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

from lab import apt, clients, cluster, images, services, versions
from lab.registries import AUTH, HUB, PASSWORD, PLAIN, PODS, USERNAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lab.layout import Layout


def settings(
    layout: Layout, *, engine: str, has_hub: bool, parts: Collection[str]
) -> dict[str, str]:
    """Return the variables of a running lab with these parts, all but PATH."""
    values = {
        "DOCKER_HOST": engine,
        "WARMBUILD_LAB_REGISTRY": PLAIN.host,
        "WARMBUILD_LAB_REGISTRY_LOG": str(PLAIN.access_log(layout)),
        "WARMBUILD_LAB_AUTH_REGISTRY": AUTH.host,
        "WARMBUILD_LAB_AUTH_REGISTRY_LOG": str(AUTH.access_log(layout)),
        "WARMBUILD_LAB_AUTH_USERNAME": USERNAME,
        "WARMBUILD_LAB_AUTH_PASSWORD": PASSWORD,
        "WARMBUILD_LAB_HUB": HUB.host if has_hub else "",
        "WARMBUILD_LAB_BUILDKITD_CONFIG": str(layout.buildkitd_config),
        "WARMBUILD_LAB_BUILDKIT_IMAGE": versions.BUILDKIT_IMAGE,
        "WARMBUILD_LAB_BUILDX": str(layout.path / "buildx"),
        _PARTS: " ".join(parts),
    }
    for part in parts:
        values |= PARTS[part](layout)
    return values


def parts_of(values: Mapping[str, str]) -> set[str]:
    """Return the parts that a lab of these settings has."""
    return set(values.get(_PARTS, "").split())


def _gha(layout: Layout) -> dict[str, str]:
    return {
        "WARMBUILD_LAB_GHA_URL": services.github_url(layout),
        "WARMBUILD_LAB_GHA_TOKEN": services.github_token(),
    }


def _s3(_: Layout) -> dict[str, str]:
    return {
        "WARMBUILD_LAB_S3_URL": services.S3.address,
        "WARMBUILD_LAB_S3_BUCKET": services.S3_BUCKET,
        "WARMBUILD_LAB_S3_REGION": services.S3_REGION,
        "WARMBUILD_LAB_S3_KEY_ID": services.S3_KEY_ID,
        "WARMBUILD_LAB_S3_SECRET": services.S3_SECRET,
    }


def _azblob(_: Layout) -> dict[str, str]:
    return {
        "WARMBUILD_LAB_AZBLOB_URL": f"{services.AZBLOB.address}/{services.AZBLOB_ACCOUNT}",
        "WARMBUILD_LAB_AZBLOB_ACCOUNT": services.AZBLOB_ACCOUNT,
        "WARMBUILD_LAB_AZBLOB_KEY": services.AZBLOB_KEY,
    }


def _arm64(_: Layout) -> dict[str, str]:
    return {"WARMBUILD_LAB_ARM64_IMAGE": images.BOTH_PLATFORMS}


def _act(layout: Layout) -> dict[str, str]:
    return {
        "WARMBUILD_LAB_ACT_PROGRAM": str(clients.program(layout, clients.ACT)),
        "WARMBUILD_LAB_ACT_IMAGE": clients.ACT_IMAGE,
    }


def _gitlab_ci_local(layout: Layout) -> dict[str, str]:
    program = clients.program(layout, clients.GITLAB_CI_LOCAL)
    return {"WARMBUILD_LAB_GITLAB_CI_LOCAL_PROGRAM": str(program)}


def _browser(_: Layout) -> dict[str, str]:
    program, driver = apt.browser() or ("", "")
    return {"WARMBUILD_LAB_BROWSER_PROGRAM": program, "WARMBUILD_LAB_BROWSER_DRIVER": driver}


def _otelcol(layout: Layout) -> dict[str, str]:
    return {
        "WARMBUILD_LAB_OTELCOL_URL": services.OTELCOL.address,
        "WARMBUILD_LAB_OTELCOL_FILE": str(services.traces(layout)),
    }


def _kubernetes(layout: Layout) -> dict[str, str]:
    place = cluster.place(layout)
    return {
        "WARMBUILD_LAB_KUBERNETES_KUBECONFIG": str(place.kubeconfig),
        "WARMBUILD_LAB_KUBERNETES_REGISTRY": PODS.host,
        "WARMBUILD_LAB_KUBERNETES_REGISTRY_LOG": str(PODS.access_log(layout)),
        "WARMBUILD_LAB_KUBERNETES_BUILDKITD_CONFIG": str(place.buildkitd_config),
    }


_PARTS = "WARMBUILD_LAB_PARTS"
# What only some tests need, and the variables that it has.
PARTS: Mapping[str, Callable[[Layout], dict[str, str]]] = {
    "gha": _gha,
    "s3": _s3,
    "azblob": _azblob,
    "otelcol": _otelcol,
    "arm64": _arm64,
    "act": _act,
    "gitlab-ci-local": _gitlab_ci_local,
    "browser": _browser,
    "kubernetes": _kubernetes,
}


def save(layout: Layout, values: Mapping[str, str]) -> None:
    """Remember the settings of the lab that is up."""
    unfinished = layout.state.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(values, indent=2))
    unfinished.rename(layout.state)


def load(layout: Layout) -> dict[str, str] | None:
    """Return the settings of the lab that was last up, or None when `down` came after it."""
    try:
        text = layout.state.read_text()
    except FileNotFoundError:
        return None
    values: dict[str, str] = json.loads(text)
    return values


def as_json(layout: Layout, values: Mapping[str, str]) -> str:
    """Return one flat object, PATH included."""
    path = f"{layout.path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return json.dumps({**values, "PATH": path}, indent=2)


def as_shell(layout: Layout, values: Mapping[str, str]) -> str:
    """Return lines for `eval`."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(layout.path))}:"$PATH"'])
