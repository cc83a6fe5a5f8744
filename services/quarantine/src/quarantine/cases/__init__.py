"""Cases, the contacts that follow from them, and the questions that remain."""
