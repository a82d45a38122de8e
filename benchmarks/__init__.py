"""What is fast and what is not, measured: each file times one kind of work beside its peers in one run.

`python -m benchmarks` runs those that compare us with others and writes `results.md` and `results.json` here.
"""

import os
import sys

# NumPy and PyTorch read these when they are first imported, so they stand before any import. A test that borrows the
# visitors of a benchmark keeps the settings it was started with.
if "pytest" not in sys.modules:
    # One thread for everybody,
    for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_variable] = "1"
    # and the matrix kernels that NumPy's BLAS chooses by itself on this processor, as on a user's machine.
    for _variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(_variable, None)
