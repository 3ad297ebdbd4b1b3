"""Sweeps as they lie on disk: what was asked for, what became of each job, what tells jobs apart."""
