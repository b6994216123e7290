"""The lint rules, one module each; `inputs.table.LINT_RULES` lists them.

docs/lints.md has the measurements behind them.
"""
