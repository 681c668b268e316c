"""Dated posts on a campaign."""
