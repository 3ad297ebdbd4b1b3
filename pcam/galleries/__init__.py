"""Galleries: patches of an evaluation that a person should look at, with maps, as a page."""
