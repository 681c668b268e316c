"""The post office: knows addresses and templates, nothing of campaigns."""
