"""`cems bench`."""
