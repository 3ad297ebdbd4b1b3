"""Probes: how well simple classifiers tell the classes apart by the features of a backbone."""
