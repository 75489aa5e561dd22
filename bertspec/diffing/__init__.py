"""Two revisions of a project, or two specs, compared by what they mean."""
