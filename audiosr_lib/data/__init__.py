"""From recordings to training batches.

    corpora       the registry of corpora and the split of each speaker
    download      resumable download of one large file
    fetching      download or extraction of a corpus
    preparation   recordings to aligned pairs at 44.1 kHz
    dataset       prepared pairs and the crops of a training step

Importing this package loads no module: run_all.sh reads the registry before any package is installed.
"""
