"""What is fast and what is not, measured: each file times one kind of work beside its peers in one run.

`python -m benchmarks` runs those that compare us with others and writes `results.md` and `results.json` here.
"""
