"""Whether a network's answer depends on where in a patch things lie."""
