"""Run folders: read, write, lock, resume, provenance, identity."""
