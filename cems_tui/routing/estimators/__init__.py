"""Members of an ensemble that predict the quality of every generation function."""
