"""The backing of organisations, shown once approved."""
