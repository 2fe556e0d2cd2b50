"""Measured ratios against named peers: `python -m tests.benchmarks [--json] [NAME…]`."""
