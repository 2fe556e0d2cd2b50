"""The gallery: every picture of the past, its sessions, what they add up to."""
