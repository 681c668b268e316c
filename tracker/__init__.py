"""The solidarity tracker: campaigns, signatures, endorsements, updates and alerts."""
