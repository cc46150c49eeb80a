"""What the notebooks show and ask: figures, players, sliders and exercises."""

from audiosr_lib.teaching import exercises, interactive, player, plotting

__all__ = ["exercises", "interactive", "player", "plotting"]
