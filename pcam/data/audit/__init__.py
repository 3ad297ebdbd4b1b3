"""What is in a data set: copies, leakage, faults, stain."""
