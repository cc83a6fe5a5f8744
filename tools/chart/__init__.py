"""Checks of the Helm chart: every values file rendered, each object validated, what is generated kept current."""
