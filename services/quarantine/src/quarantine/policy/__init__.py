"""Measures as versioned data, approved by two people."""
