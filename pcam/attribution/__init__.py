"""Where in a patch a network finds its answer, and how far that can be believed."""
