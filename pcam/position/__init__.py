"""Whether a network's answer depends on where in a patch things lie, and on which part of it."""
