"""Exported files, measured on the file itself; each step of an export is a function here."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HeldOut": "measuring.held_out",
        "Limits": "measuring.limits",
        "Plan": "export",
        "attach_metadata": "metadata.attached",
        "choose": "measuring.ladder",
        "choose_calibration": "measuring.calibration",
        "climb": "measuring.ladder",
        "convert_model": "export",
        "embed_buffer": "metadata.embedding",
        "export_model": "export",
        "four_bit_weights": "formats.four_bit",
        "inference_model": "inference",
        "lint_file": "measuring.lint",
        "measure": "measuring.benchmark",
        "measure_file": "measuring.measured",
        "model_metadata": "metadata.model_metadata",
        "read_buffer": "metadata.embedding",
        "representative_indices": "measuring.calibration",
        "shorten_names": "formats.names",
        "weigh": "measuring.gate",
        "write_bundle": "bundle.bundle",
        "write_golden": "bundle.golden",
        "write_saved_model": "formats.saved_model",
        "write_tflite": "formats.litert",
    },
)
