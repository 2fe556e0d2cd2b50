"""What a router is worth on prompts it has not seen, against what one would do without it."""
