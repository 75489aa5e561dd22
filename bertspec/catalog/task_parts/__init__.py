"""What tasks are made of, and several of them share."""
