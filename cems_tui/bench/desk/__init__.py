"""What the terminal app's places for benchmarks and blind votes read and change, in threads."""
