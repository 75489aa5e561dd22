"""Parts of `bertspec push-to-hub`."""
