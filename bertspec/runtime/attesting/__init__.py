"""Parts of `bertspec attest`."""
