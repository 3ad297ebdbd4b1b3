"""Augmentation on the CPU and on the device."""
