"""The public's names."""
