"""Routers on disk: a card, its numbers, and the shelf they stand on."""
