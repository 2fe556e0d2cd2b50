"""The parts screens are composed of; each owns its messages."""
