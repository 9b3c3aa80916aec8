"""Each peer runs in a virtual environment of its own, created on its first run."""

import os
import subprocess
import sys


def enter(venv, packages, threads="1"):
    """Re-executes the script in `venv` with `packages` and the given number of threads. Returns only there."""
    if os.path.realpath(sys.prefix) == os.path.realpath(venv):
        return
    python = os.path.join(venv, "bin", "python")
    done = os.path.join(venv, "complete")
    if not os.path.exists(done):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, stdout=sys.stderr)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(pip + packages, check=True, stdout=sys.stderr)
        open(done, "w").close()
    # The libraries read these variables when they are loaded.
    threads = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    os.execve(python, [python, *sys.argv], {**os.environ, **threads})
