"""What in a project invalidates the cache or leaks into it."""
