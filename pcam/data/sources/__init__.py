"""Patch sources."""
