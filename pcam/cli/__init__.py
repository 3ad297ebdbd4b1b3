"""The command line: Hydra's entry point, errors in one line, the terminal."""
