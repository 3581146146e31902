"""Adapters: a few weights that train on a frozen backbone, and are folded into it afterwards.

LoRA and its family, one module a method. An adapter sits on a layer that stays where it is, so that
freezing, cutting, checkpoints and the proof treat it as they treat any weights. Nothing here is
imported before a model is there, but for `options`.
"""
