"""How the pack is made: scenes, networks, their training, and checks of what they draw."""
