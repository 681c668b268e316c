"""The tests: a mirror of tracker/, and journeys, architecture, browser, benchmarks."""
