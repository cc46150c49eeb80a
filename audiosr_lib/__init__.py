"""Helpers of the audio super-resolution study.

    signals, spectral, resampling, metrics, losses, unet    the science, flat: what the notebooks teach
    data        recordings to prepared pairs and crops
    training    the training of the U-Net
    inference   using a trained network
    claims      what the coursework claims, and verdicts computed from a record
    teaching    figures, players, sliders and exercises of the notebooks
    study       the command behind run_all.sh, the record and the report of a run
    base        ground rooms that every wing may use

Imports go one way: base and science below; data, then training; inference; claims and teaching; study on top.
tests/test_imports.py holds them to it. Importing the package imports none of them, so the signal chapters never load torch.
"""

__version__ = "0.2.0"
