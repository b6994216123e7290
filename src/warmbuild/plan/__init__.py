"""What a build will do, as one value, and how it is decided."""
