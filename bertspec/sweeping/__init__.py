"""`bertspec sweep`: trials of other values of a spec, each an experiment of DVC."""
