"""Scoring pictures: a metric is a scale, a scorer the instrument that read it."""
