"""The builder of a run: booted, reused, removed; the Docker engine that it runs on."""
