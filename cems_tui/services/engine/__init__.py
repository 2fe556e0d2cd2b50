"""The engine: a session in a child process, and what is said to it and by it."""
