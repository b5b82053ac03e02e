"""Natural language processing that Comprehend is made of: models, rules and how models are trained.

Imports nothing else of Sagebrush. Inference needs numpy, onnxruntime and tokenizers alone and runs in
a process of its own, never in the control plane; `training` needs torch as well.
"""
