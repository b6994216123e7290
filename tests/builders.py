"""A node of a builder as tests need it."""

from __future__ import annotations

from warmbuild.buildkit.answers import Running

NODE = Running(
    name="b0",
    endpoint="unix:///b.sock",
    driver_opts=(),
    status="running",
    flags="",
    buildkit="v0.34.2",
    platforms=("linux/amd64", "linux/386"),
)
