"""Figures without a display."""
