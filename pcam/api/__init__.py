"""The Python API: what a notebook does with a run."""
