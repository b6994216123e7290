"""What builds were made of: recorded beside their caches, and compared."""
