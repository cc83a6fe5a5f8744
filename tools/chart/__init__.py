"""Checks of the Helm chart: render it with every values file, validate each object, and keep what is generated from it current."""
