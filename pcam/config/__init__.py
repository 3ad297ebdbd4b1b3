"""Typed configuration, and the registries of what can be chosen by name."""
