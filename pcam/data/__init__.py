"""Data: from files, or synthetic patches, to batches."""
