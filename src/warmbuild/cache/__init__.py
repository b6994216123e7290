"""Which cache refs are read and written, and why; what they hold."""
