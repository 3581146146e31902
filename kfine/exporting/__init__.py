"""SavedModel and LiteRT (TFLite) files, measured on the file itself."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HeldOut": "export",
        "export_model": "export",
        "inference_model": "inference",
        "judge": "gate",
        "load_exported": "runner",
        "measure": "benchmark",
        "read_metadata": "metadata",
        "representative_indices": "calibration",
    },
)
