"""Recipes that come with kfine; each module is one task, readable from top to bottom."""
