"""What the places of the terminal app read and change, in threads of its process."""
