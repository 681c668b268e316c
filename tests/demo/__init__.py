"""Tests of the demo: its folder, its campaigns, its mailbox, the books of a replay."""
