"""The defaults of AWS's PyTorch inference toolkit: a TorchScript model, tensors in and out.

torch is imported when the model is loaded.
"""

from __future__ import annotations

import os
from typing import Any

from sagebrush.toolkit.serving import formats, handler

NAME = "model.pt"
SUFFIXES = (".pt", ".pth")
KINDS = (formats.JSON, formats.JSON_LINES, formats.CSV, formats.NPY)
HINT = (
    "Write model_fn(model_dir) into code/inference.py: it makes the network, loads its state_dict"
    " from model_dir and returns it. Or save the model by torch.jit.script(model).save('model.pt')."
)


class Defaults(handler.Defaults):
    """`default_model_fn` and its companions, by the names that handlers have here."""

    needs_code = False
    as_text = True

    def __init__(self) -> None:
        """torch is there and knows its device."""
        import torch  # pyright: ignore[reportMissingImports]

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.gpu = 0 if self._device.type == "cuda" else None

    def model_fn(self, model_dir: str) -> Any:
        """The TorchScript model `model.pt`, or the only .pt or .pth file; raises NoHandler."""
        path = os.path.join(model_dir, NAME)
        if not os.path.exists(path):
            found = sorted(f for f in os.listdir(model_dir) if f.endswith(SUFFIXES))
            if len(found) != 1:
                raise handler.NoHandler(
                    f"Exactly one .pth or .pt file is required for PyTorch models: {found}. {HINT}"
                )
            path = os.path.join(model_dir, found[0])
        try:
            model = self._torch.jit.load(path, map_location=self._device)
        except RuntimeError as error:
            raise handler.NoHandler(
                f"Failed to load {path}. Please ensure model is saved using torchscript. {HINT}"
            ) from error
        return model.to(self._device)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The body as a tensor on the model's device: 32-bit floats, or NPY's own type."""
        kind = formats.base(content_type)
        if kind not in KINDS:
            raise formats.UnsupportedFormat(content_type, 415)
        data = formats.decode(body, kind)
        torch = self._torch
        try:
            tensor = torch.from_numpy(data) if kind == formats.NPY else torch.FloatTensor(data)
        except (TypeError, ValueError) as error:
            raise formats.BadBody(f"The body is no tensor: {error}") from error
        return tensor.to(self._device)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The model's output for `data`, in evaluation mode and without gradients."""
        with self._torch.no_grad():
            model = model.to(self._device)
            model.eval()
            return model(data.to(self._device))

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """The prediction as JSON, JSON Lines, CSV or NPY, whichever `accept` lists first."""
        if isinstance(prediction, self._torch.Tensor):
            prediction = prediction.detach().cpu().numpy()
        offered = [formats.base(each) for each in accept.split(",")]
        served = [k for k in offered if k in KINDS or k in (formats.ANY, "application/*", "")]
        if not served:
            raise formats.UnsupportedFormat(accept, 406)
        return formats.encode(prediction, served[0])
