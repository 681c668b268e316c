"""Keys and envelopes; knows nothing of campaigns or mail."""
