"""Numbers with their uncertainty: arrays in, numbers out."""
