"""Sweeps as their folders hold them: their state, their jobs, how jobs are grouped and pruned."""
