"""Passes, cards, venue codes and device keys.

Everything that issuer, verifiers and scanners must agree on byte by byte.

No I/O except in `passes.vault` (a directory of keys), no settings, no global state. Byte formats are in README.md,
test vectors in vectors/.
"""
