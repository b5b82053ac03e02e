"""A job that needs a package of requirements.txt."""

import roman

print(f"train_accuracy=1.0; {roman.toRoman(2026)}", flush=True)
