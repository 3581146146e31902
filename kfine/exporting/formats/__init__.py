"""Conversion: one module for each format."""
