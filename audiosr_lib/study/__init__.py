"""The command behind run_all.sh, and the record and report of a run.

Importing this package loads nothing, because run_all.sh checks its options before anything is installed.
"""
