"""From recordings to training batches.

    corpora       the registry, and who speaks in which split
    download      one large file over an unreliable line
    fetching      the recordings of a corpus onto this machine
    preparation   recordings to aligned pairs at 44.1 kHz
    dataset       prepared pairs and the crops of a training step

Importing this package loads nothing: run_all.sh reads the registry before anything is installed.
"""
