"""Bake and compose files: their targets as builds, and plans as a definition."""
