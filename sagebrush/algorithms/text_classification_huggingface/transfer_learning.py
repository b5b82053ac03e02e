"""The training job's entry point: /opt/ml in, a model that deploys out.

It lies at the top of sourcedir.tar.gz, beside the packages that it imports.
"""

from __future__ import annotations

import sys

from contract import job

if __name__ == "__main__":
    from text_classification_huggingface import training

    sys.exit(job.run(training.train))
