"""Measured ratios: each against a floor of the same run."""
