"""bertspec: compile a dataset-and-model spec into reproducible DVC stages."""

__version__ = "0.1.0"
