"""Figures, audio players, sliders and exercises of the notebooks."""
