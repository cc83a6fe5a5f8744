"""Recalled lots of the cold chain: who handled one is asked, and nothing more."""
