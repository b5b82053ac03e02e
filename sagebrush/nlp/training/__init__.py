"""How the models are made: data sets as tasks, the trainer of the shared encoder, export and figures.

Needs torch, safetensors, onnx and scikit-learn; nothing of it is imported where models only answer.
"""
