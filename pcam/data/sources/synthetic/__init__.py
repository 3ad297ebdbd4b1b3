"""Synthetic H&E-like patches with known tumour masks."""
