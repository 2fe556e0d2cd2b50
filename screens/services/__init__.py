"""What the app holds once: engine, library, planner; each a state and a signal."""
