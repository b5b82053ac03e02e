"""A transformers model made fast on CPUs: exported to an ONNX graph, its weights rounded, compared.

`run.py` is what `sagebrush model optimize` starts in the environment `huggingface`.
"""
