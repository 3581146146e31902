"""Texts: sources, splits and what is learned from them besides a class."""
