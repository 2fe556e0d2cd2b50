"""The few words every room speaks. Standard library only."""
