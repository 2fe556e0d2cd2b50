"""Benchmarks: prompts × functions × seeds, scored into tables that routers learn from."""
