"""The restricted list of each day, as verifiers carry it."""
