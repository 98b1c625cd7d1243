"""The old place of names that the docs taught; see :mod:`headbench._moved`."""

from headbench._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Detector": "headbench.detectors.detector",
        "Trial": "headbench.detectors.detector",
        "Trials": "headbench.detectors.detector",
        "Marks": "headbench.detectors.detector",
        "Params": "headbench.detectors.detector:DetectorParams",
        "Found": "headbench.detectors.detector:Measurement",
    },
)
