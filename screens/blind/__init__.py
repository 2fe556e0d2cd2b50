"""The place for blind votes: two pictures of one prompt, and what they were afterwards."""
