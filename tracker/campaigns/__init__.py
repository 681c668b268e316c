"""The campaign, its case, its history."""
