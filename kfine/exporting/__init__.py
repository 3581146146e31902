"""Exported files, measured on the file itself; each step of an export is a function here."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HeldOut": "held_out",
        "HeldOutInside": "held_out",
        "Limits": "limits",
        "attach_metadata": "metadata",
        "choose": "ladder",
        "choose_calibration": "calibration",
        "classifier_metadata": "model_metadata",
        "climb": "ladder",
        "convert_model": "export",
        "embed_buffer": "embedding",
        "export_model": "export",
        "four_bit_weights": "four_bit",
        "inference_model": "inference",
        "judge": "gate",
        "lint_file": "lint",
        "load_exported": "runner",
        "measure": "benchmark",
        "measure_file": "measured",
        "medium_of": "medium",
        "read_buffer": "embedding",
        "read_metadata": "metadata",
        "representative_indices": "calibration",
        "shorten_names": "names",
        "text_inference_model": "inference",
        "write_bundle": "bundle",
        "write_golden": "golden",
        "write_saved_model": "saved_model",
        "write_tflite": "litert",
    },
)
