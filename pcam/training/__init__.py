"""One training, from a config to a run folder, in one process or several."""
