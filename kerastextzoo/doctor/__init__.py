"""Why a model does not learn: `diagnose` examines any compiled Keras model with its data.

`Watch` is a callback that tells while a model trains.

`causes` is the table of all that it can say; `diagnosing` has the list of checks. To add a check,
write a function from a `Case` to findings, and give it a line there.
"""

from kerastextzoo.doctor.diagnosing import diagnose
from kerastextzoo.doctor.findings import Diagnosis, DoctorError, Finding
from kerastextzoo.doctor.watching import Watch

__all__ = ["Diagnosis", "DoctorError", "Finding", "Watch", "diagnose"]
