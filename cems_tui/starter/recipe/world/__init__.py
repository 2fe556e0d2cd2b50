"""Scenes as pictures: painted, and spoiled or wrong on purpose."""
