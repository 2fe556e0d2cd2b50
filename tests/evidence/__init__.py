"""Tests of what one's own pictures prove."""
