"""KerasTuner on top of recipes: what varies, who chooses it, and what a trial leaves behind."""
