"""The sections of the language, one file for each stage that they feed, and each stage's params.

The spec is put together from these sections; params.yaml holds them; a stage reads its own.
"""
