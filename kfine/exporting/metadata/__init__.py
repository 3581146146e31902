"""Labels and facts that travel inside exported files."""
