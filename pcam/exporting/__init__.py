"""A trained network as files that others can use without pcam: formats, check, model card."""
