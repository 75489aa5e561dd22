"""Write values of params.yaml back into the specs that they were compiled from."""
