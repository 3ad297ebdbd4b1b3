"""The command line: Hydra, errors in one line, console output."""
