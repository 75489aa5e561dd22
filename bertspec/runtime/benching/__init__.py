"""`bertspec bench`: each format of an exported model in a process of its own, beside PyTorch."""
