"""What the process of an export does: read the run, write the form that was asked for, check it."""

import sys
from pathlib import Path

from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.export import KIND, REFUSED


def main() -> None:
    """Work as the last three words of the command line say; the last line printed says why not."""
    run, stage, form = sys.argv[-3:]
    try:
        _write(Path(run), Path(stage), form)
    except InputError as error:
        sys.stdout.write(f"\n{error}\n")
        sys.exit(REFUSED)
    except KerasTextZooError as error:
        sys.exit(str(error))


def _write(run: Path, stage: Path, form: str) -> None:
    from kerastextzoo.export import network, saved_model
    from kerastextzoo.run import Run

    write = saved_model.write if form == KIND else network.WRITERS[form]
    write(Run(run), stage)
