"""The commands of `python -m mlcore`, one file each; only these may print."""
