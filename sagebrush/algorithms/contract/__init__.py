"""AWS's contract for built-in algorithms: /opt/ml, channels, data formats, log lines, errors.

For all algorithms in this folder's parent, which is on their `PYTHONPATH`: `from contract import job`.
Python 3.9 on; the standard library and NumPy; SciPy where a matrix is sparse.
"""
