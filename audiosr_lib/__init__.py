"""Library of the audio super-resolution study.

    signals, spectral, resampling, metrics, losses, unet, light    the methods that the notebooks teach
    data        preparation of recordings: pairs and crops
    training    training of the networks
    inference   use of a trained network
    claims      claims of the coursework, and verdicts computed from a record
    teaching    figures, players, sliders and exercises of the notebooks
    study       the command behind run_all.sh, the record and the report of a run
    base        constants and tools that every subpackage may use

tests/test_imports.py states which part may import which. Importing the package imports no part, so the signal chapters do not load torch.
"""

__version__ = "0.2.0"
