"""One training, from a plain config into a run folder: in one process or several, watched and told of."""
