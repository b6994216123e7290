"""The lab: a real Docker engine, BuildKit and registries on one machine, for tests and demos."""
