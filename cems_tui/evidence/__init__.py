"""What one's own pictures prove: sums in, verdicts with their intervals out. Standard library."""
