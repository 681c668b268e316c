"""Measured runs, never part of the tests: speed and cost as ratios and counts in one run."""
