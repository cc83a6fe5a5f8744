"""Builds the images and starts them; see `build`."""
