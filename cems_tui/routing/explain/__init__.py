"""Why a function was picked, in words, and what would have changed it."""
