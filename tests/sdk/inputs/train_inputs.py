"""Tells what each channel holds, in whichever mode it comes: `seen NAME TEXT` for each epoch."""

import json
import os
from pathlib import Path

with open("/opt/ml/input/config/inputdataconfig.json") as file:
    channels = json.load(file)
for name, config in sorted(channels.items()):
    place = f"/opt/ml/input/data/{name}"
    if config["TrainingInputMode"] == "Pipe":
        found = [Path(f"{place}_{epoch}").read_text() for epoch in range(2)]
    elif name in ("code", "sm_drivers"):
        continue
    else:
        folder = Path(os.environ[f"SM_CHANNEL_{name.upper()}"])
        found = ["".join(each.read_text() for each in sorted(folder.iterdir()))]
    print(f"seen {name} {json.dumps(found)}", flush=True)
with open("/opt/ml/model/done", "w") as file:
    file.write("done")
