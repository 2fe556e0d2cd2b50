"""What is read of a prompt: its letters and words, or what a text tower makes of it."""
