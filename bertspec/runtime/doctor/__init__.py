"""What `bertspec doctor` tells: one kind of fact a file, gathered in `examine.py`."""
