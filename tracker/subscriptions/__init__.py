"""Who agreed to hear about what."""
