"""warmbuild: Docker image builds in CI that start warm."""

__version__ = "0.1.0"
