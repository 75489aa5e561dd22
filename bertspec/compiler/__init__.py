"""Specs and a lock -> a pipeline -> the text of dvc.yaml and params.yaml.

Pure: no network, clock, environment or working directory; the same input gives the same bytes.
"""
