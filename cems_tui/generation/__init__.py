"""Turning a prompt into a picture on the one device there is."""
