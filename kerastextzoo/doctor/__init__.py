"""Why a model does not learn: `diagnose` examines any compiled Keras model with its data."""

from kerastextzoo.doctor.findings import Diagnosis, DoctorError, Finding

__all__ = ["Diagnosis", "DoctorError", "Finding"]
