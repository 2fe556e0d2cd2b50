"""Tables of scores as columns: prompts, functions, metrics; read, checked, written."""
