"""Modules that every subpackage may import: constants, labels, errors, the device, paths, files, sound files,
profiles, provenance, the notebook kernel.

They import only each other and nothing else of the library.
"""
