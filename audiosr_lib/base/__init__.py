"""Ground rooms: constants, labels, errors, the device, the notebook kernel, paths, files, profiles and provenance.

These modules import nothing of the study but each other. Every wing may use them.
"""
