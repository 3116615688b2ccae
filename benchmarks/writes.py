"""What a search writes, counted over all its processes, and stopped at a planned place."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from kerastextzoo.tuning.worker import Job, work

PLAN = "plan.json"
_FOR_EVER = 600  # seconds: whoever made the plan kills before


def counted(job: Job) -> None:
    """Train a trial; its writes are counted with those of the search."""
    count_writes(job.folder.parents[1])
    work(job)


def count_writes(out: Path) -> None:
    """Count what this process does to files of the search, and end it all at the planned one."""
    plan = json.loads((out.parent / PLAN).read_text("utf-8"))
    log = os.open(out.parent / "events.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    here = os.fspath(out)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        written = event == "open" and isinstance(arguments[2], int)
        if written:
            written = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if not written and event not in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        path = arguments[0]
        if isinstance(path, int) or here not in (path := os.fsdecode(path)):
            return
        if any(part in path for part in (".data.tmp", "log.txt", "progress.json", "/lock")):
            return
        os.write(log, b"w")
        number = os.fstat(log).st_size - 1
        if number == plan["at"]:
            if plan["half"] and event == "os.rename" and os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)
            # Whoever watches kills; nothing is written until then.
            (out.parent / "killed").touch()
            time.sleep(_FOR_EVER)

    sys.addaudithook(hook)
