"""The stage runners. Each reads its own params and inputs, and writes its outputs; never a spec."""
