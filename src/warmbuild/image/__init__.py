"""What an image is called, and what it says of itself."""
