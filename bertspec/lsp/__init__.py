"""The language server: what editors ask about specs, answered from the models and the checks."""
