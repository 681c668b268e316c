"""The parts of the settings: what is documented, how it is read, and the post office's own."""
