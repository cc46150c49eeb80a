"""Helpers of the audio super-resolution study.

The modules form a one-way street (``tests/test_architecture.py`` holds it to that):

    paths profiles            where things lie, and the plain numbers of a profile
    signals spectral          NumPy only: test signals, the STFT by hand
    resampling                Kaiser-windowed sinc interpolation, by hand and by library
    download corpora          recordings: fetched, verified, split by speaker
    preparation dataset       aligned 22.05 -> 44.1 kHz pairs in memory-mapped arrays
    losses unet training      torch: the objective, the network, the loop
    metrics inference timing  quality and speed
    svg plotting audio        figures and players, small
    interactive record        sliders, and what a run leaves behind
    audit                     what would have to go wrong for a printed number to come out
    claims judges coursework  what the coursework claims, and verdicts computed from a record
    runner                    the command behind run_all.sh

Importing the package imports none of them, so the signal chapters never load torch.
"""

__version__ = "0.1.0"
