"""What every layer uses: diagnostics, errors, digests, files, kinds. Knows nothing of specs."""
