"""What is known of a person, and the keys that keep it."""
