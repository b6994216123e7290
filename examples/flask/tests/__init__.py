"""Tests of the guest book."""
