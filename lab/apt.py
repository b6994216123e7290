"""Install Debian packages, some from a newer release, without changing the machine's apt sources.

The lab has its own sources, pins and lists. The mirror is the one the machine already uses.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab import versions
from lab.commands import run
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from lab.layout import Layout

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What the lab runs, and the packages that have it.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "dockerd": (f"docker.io/{versions.DEBIAN}",),
    "docker": (f"docker-cli/{versions.DEBIAN}",),
    "iptables": ("iptables",),
    "ip": ("iproute2",),
    "mmdebstrap": ("mmdebstrap",),
    "go": (f"golang-go/{versions.DEBIAN}", f"golang-src/{versions.DEBIAN}"),
}
PACKAGES_OF_PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "azblob": {"npm": ("nodejs", "npm")},
    "gitlab-ci-local": {"npm": ("nodejs", "npm"), "rsync": ("rsync",)},
    "kubernetes": {
        "etcd": ("etcd-server",),
        "/usr/lib/cni/bridge": ("containernetworking-plugins",),
        "openssl": ("openssl",),
    },
}
# A browser, and the fonts that its pictures are made with.
BROWSER = ("chromium", "chromium-driver", "fonts-liberation")
# By which names a browser is known; where there is Chrome, chromedriver is Chrome's.
BROWSERS = ("google-chrome", "chromium")
_ALONE = threading.Lock()
POLICY = Path("/usr/sbin/policy-rc.d")


def install_missing(layout: Layout, parts: Collection[str]) -> None:
    """Install the packages of programs that are not there, of the usual lab and of these parts.

    Raises LabError where there is no apt-get, or no right to use it and to run an engine.
    """
    if os.geteuid() != 0:
        message = "no Docker engine answers, and making one takes root: start Docker, or be root."
        raise LabError(message)
    wanted = dict(PACKAGES)
    for part in parts:
        wanted |= PACKAGES_OF_PARTS.get(part, {})
    missing = [name for name in wanted if shutil.which(name) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        message = "no Docker engine answers, and making one needs Debian's apt-get: start Docker."
        raise LabError(message)
    packages = [package for name in missing for package in wanted[name]]
    with _services_not_started():
        _apt_get(layout, "install", "--yes", "--no-install-recommends", *packages)


def install_go(layout: Layout) -> None:
    """Install Go where there is none; raises LabError where that cannot be."""
    if not shutil.which("go"):
        _install(layout, "Go", PACKAGES["go"])


def install_browser(layout: Layout) -> None:
    """Install Chromium where there is no such browser; raises LabError where that cannot be."""
    if not browser():
        _install(layout, "Chromium with its chromedriver", BROWSER)


def browser() -> tuple[str, str] | None:
    """Return the paths of a browser and of the driver beside it; None without both."""
    driver = shutil.which("chromedriver")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return (found, driver) if found and driver else None


def install_pngquant(layout: Layout) -> None:
    """Install what makes pictures small; raises LabError where that cannot be."""
    if not shutil.which("pngquant"):
        _install(layout, "pngquant", ("pngquant",))


def _install(layout: Layout, name: str, packages: Sequence[str]) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        message = f"there is no {name}, and installing it takes root on Debian: install {name}."
        raise LabError(message)
    _apt_get(layout, "install", "--yes", "--no-install-recommends", *packages)


def download(layout: Layout, package: str, directory: Path) -> None:
    """Put a package's file into a directory; nothing is installed."""
    _apt_get(layout, "download", f"{package}/{versions.DEBIAN}", cwd=directory)


def mirror() -> str:
    """Return the address of the Debian mirror that this machine is set up to use."""
    return _debian_targets()[0].split()[0]


def _apt_get(layout: Layout, *arguments: str, cwd: Path | None = None) -> None:
    # Several parts of the lab need packages at once, and all share the lists.
    with _ALONE:
        _run_apt_get(layout, *arguments, cwd=cwd)


def _run_apt_get(layout: Layout, *arguments: str, cwd: Path | None) -> None:
    directory = layout.root / "apt"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "lists" / "partial").mkdir(parents=True)
    targets = [*_debian_targets(), f"{mirror()} {versions.DEBIAN} main"]
    sources = directory / "sources.list"
    sources.write_text("".join(f"deb [signed-by={KEYRING}] {line}\n" for line in targets))
    pins = directory / "preferences"
    pins.write_text(f"Package: *\nPin: release n={versions.DEBIAN}\nPin-Priority: 90\n")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": pins,
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": directory / "lists",
        "DPkg::Lock::Timeout": "300",
    }
    command = ["apt-get", "--quiet"]
    for name, value in options.items():
        command += ["--option", f"{name}={value}"]
    extra = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*command, "update"], extra=extra)
    run([*command, *arguments], cwd=cwd, extra=extra)


def _debian_targets() -> list[str]:
    """Return "URI RELEASE COMPONENT" of each of Debian's own sources, the main archive first."""
    query = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI) $(CODENAME) $(COMPONENT)"]
    lines = run([*query, "Created-By: Packages"]).splitlines()
    if not lines:  # a machine that never updated its lists
        run(["apt-get", "--quiet", "update"])
        lines = run([*query, "Created-By: Packages"]).splitlines()
    found: dict[str, list[str]] = {"Debian": [], "Debian-Security": []}
    for line in lines:
        label, _, target = line.partition("|")
        if label in found and target not in found[label]:
            found[label].append(target)
    if not found["Debian"]:
        message = "apt has no source of Debian's packages: run the lab on Debian, or start Docker."
        raise LabError(message)
    return found["Debian"] + found["Debian-Security"]


@contextmanager
def _services_not_started() -> Iterator[None]:
    """Keep packages from starting services; the lab starts its own, on its own ports."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
