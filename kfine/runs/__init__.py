"""The run folder, its lock, and where a run came from."""
