"""The organisers' pages; no rules live here."""
