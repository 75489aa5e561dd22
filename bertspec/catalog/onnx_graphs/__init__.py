"""Graphs of the ONNX export: of a module, fused, in fewer bits, and the same everywhere."""
