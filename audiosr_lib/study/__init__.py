"""The command behind run_all.sh, and the record and report of a run.

Importing this package imports none of its modules, because run_all.sh checks its options before any package is installed.
"""
