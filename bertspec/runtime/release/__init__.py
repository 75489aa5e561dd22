"""What an exported model says of itself: its card, and the spec and lock that it came from."""
