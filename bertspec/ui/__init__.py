"""`bertspec ui`: pages over all specs of a project, for reading only, on this machine only."""
