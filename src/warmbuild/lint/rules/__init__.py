"""The lint rules, one module each; `inputs.table.LINT_RULES` lists them.

The reasons are measured, see docs/lints.md.
"""
