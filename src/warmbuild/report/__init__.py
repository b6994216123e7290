"""Plan and outcome as text, Markdown, JSON and outputs."""
