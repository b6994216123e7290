"""Talks to registries, and finds the login for each registry."""
