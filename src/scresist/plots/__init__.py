"""Figures: a tidy table in, matplotlib Axes out."""
