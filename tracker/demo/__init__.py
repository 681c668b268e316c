"""The demo: real campaigns as data, generated supporters, mail catcher and replay."""
