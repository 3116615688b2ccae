"""What test_ray.py lets nodes do instead of a training; light, for each process imports it."""

import os
import signal
import time

from kerastextzoo.tuning.worker import Job


def note(job: Job) -> None:
    """Write down who runs the job, and do what its values say."""
    names = ("RAY_RAYLET_PID", "CUDA_VISIBLE_DEVICES")
    known = [os.getpid(), os.getppid(), job.cores, *(os.environ.get(name) for name in names)]
    partial = job.folder / "note.tmp"
    partial.write_text(" ".join(map(str, known)), "utf-8")
    partial.replace(job.folder / "note.txt")
    while not all(map(os.path.exists, job.values.get("awaits", ()))):
        time.sleep(0.01)
    time.sleep(job.values.get("seconds", 0))
    if job.values.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.values.get("raises"):
        raise OSError("no luck")
