"""Supporters are told: from an update that alerts to a delivery for each of them."""
