"""Whole slides: read, find tissue, predict on a grid, draw and measure the map."""
