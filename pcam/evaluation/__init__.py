"""What trained networks are worth: scored, compared, combined."""
