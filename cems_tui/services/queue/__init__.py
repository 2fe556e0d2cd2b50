"""The queue: who works on it, in which order, and what is to be expected of it."""
