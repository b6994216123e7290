"""The checkout: git, Dockerfile, .dockerignore, file modes."""
