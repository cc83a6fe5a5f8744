"""Passes for phones and paper cards for people without one."""
