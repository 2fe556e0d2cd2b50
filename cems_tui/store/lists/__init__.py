"""Rows for lists of any length: a page of light ones by key."""
