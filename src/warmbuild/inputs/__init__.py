"""The one table of inputs, their values, and how they are read."""
