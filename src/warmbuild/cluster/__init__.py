"""Talks to a Kubernetes cluster about the pods of a builder: what they do, and what they may."""
