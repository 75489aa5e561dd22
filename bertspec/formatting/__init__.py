"""Specs laid out anew: what they mean stays, and so does every comment."""
