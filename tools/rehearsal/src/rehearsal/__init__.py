"""The closed loop as a drill against an installed release."""
