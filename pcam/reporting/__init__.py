"""The report on sweeps and runs."""
