"""`cems shadow`: past prompts drawn again with functions that were not chosen."""
