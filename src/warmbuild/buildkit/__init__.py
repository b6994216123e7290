"""What is particular to buildx and BuildKit: arguments, answers, progress, checks."""
