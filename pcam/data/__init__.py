"""From what lies on disk, or is made, to a batch."""
