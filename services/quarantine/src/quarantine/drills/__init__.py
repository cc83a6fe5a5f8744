"""Drills: the same loop with synthetic people."""
