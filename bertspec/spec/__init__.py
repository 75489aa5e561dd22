"""The language: its documents with positions, its sections, its JSON Schema."""
