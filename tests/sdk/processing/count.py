"""Counts the words of each text file: what a user's processing script does."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--least", type=int, default=0)
least = parser.parse_args().least
found = {
    file.name: len(file.read_text().split())
    for file in sorted(Path("/opt/ml/processing/input/text").iterdir())
}
host = json.loads(Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
out = Path("/opt/ml/processing/output")
(out / f"{host}.json").write_text(json.dumps({k: v for k, v in found.items() if v >= least}))
print("counted", len(found), "files on", host)
