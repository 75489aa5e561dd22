"""What a spec can name: sources, tasks, bases, exports. One file a kind, one line in its table.

A kind is one frozen pydantic model: its fields are the options in the spec, its methods what the
stages do with them. Heavy packages are imported inside the methods.
"""
