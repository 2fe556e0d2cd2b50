"""The place of the doctor: what is wrong on this machine, and what mends it."""
