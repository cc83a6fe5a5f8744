"""What the attacks with files share."""
