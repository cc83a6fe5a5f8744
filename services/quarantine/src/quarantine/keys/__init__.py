"""Signing keys: which there are, which one signs, what the public is told."""
