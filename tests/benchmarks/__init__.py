"""Measured ratios against named peers."""
