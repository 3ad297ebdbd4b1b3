"""Features of a backbone that does not change: computed once per patch, and kept in files."""
