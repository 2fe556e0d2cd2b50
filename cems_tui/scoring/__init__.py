"""Scores of pictures: `panel` reads them all, an instrument a module."""
