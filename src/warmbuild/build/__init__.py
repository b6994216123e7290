"""Carries a plan out: attempts, patience, what failed and why."""
