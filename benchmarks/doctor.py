"""The doctor's proof: broken programs and their healthy twins, examined over several seeds.

    python -m benchmarks.doctor                       # what is missing, then docs/doctor-proof.md
    python -m benchmarks.doctor --only sigmoid* --seeds 1 --fresh

Each examination is recorded as soon as it is done, in `benchmarks/records/doctor/`, and is not made
again while the doctor's code and the bank stay the same. A broken program counts as found if its
cause is among the findings, and as named first if it is the first. A healthy twin counts as a false
alarm if there is any error or warning. Where the doctor applies its remedy itself, the mended
program is trained and compared with its twin on held-out rows.
"""

import argparse
import fnmatch
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks" / "records" / "doctor"
sys.path.append(str(ROOT / "tests"))

from doctor.bank import PAIRS  # noqa: E402
from doctor.pairs import Pair  # noqa: E402

from kerastextzoo.doctor import diagnose  # noqa: E402
from kerastextzoo.doctor.program import Program  # noqa: E402

_SOURCES = ("kerastextzoo/doctor/*.py", "tests/doctor/*.py")


def code_version() -> str:
    """Return a hash of all that an examination depends on."""
    paths = sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern))
    together = hashlib.sha256(b"".join(path.read_bytes() for path in paths))
    return together.hexdigest()[:16]


def examine(program: Program, seed: int) -> dict[str, Any]:
    """Examine one program."""
    before = [weight.copy() for weight in program.model.get_weights()]
    found = diagnose(
        program.model,
        program.x,
        program.y,
        batch_size=program.batch_size,
        epochs=program.epochs,
        callbacks=program.callbacks,
        validation_data=program.validation_data,
        shuffle=program.shuffle,
        seed=seed,
    )
    after = program.model.get_weights()
    return {
        "findings": [finding.as_dict() for finding in found.findings],
        "skipped": dict(found.skipped),
        "seconds": round(found.seconds, 2),
        "unchanged": all((one == two).all() for one, two in zip(before, after, strict=True)),
    }


def record(pair: Pair, seed: int, version: str, *, fresh: bool) -> dict[str, Any]:
    """Examine both programs of a pair, unless that is recorded."""
    path = RECORDS / f"{pair.name}-{seed}.json"
    if path.exists() and not fresh:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if kept["version"] == version:
            return kept
    told = {
        "pair": pair.name,
        "code": pair.code,
        "language": pair.language,
        "seed": seed,
        "version": version,
        "broken": examine(pair.broken(seed), seed),
        "healthy": examine(pair.healthy(seed), seed),
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return told


def codes(examined: dict[str, Any], *severities: str) -> list[str]:
    """Return the codes found, of some severities or of all."""
    return [
        finding["code"]
        for finding in examined["findings"]
        if not severities or finding["severity"] in severities
    ]


def summary(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return recall, precision of the first cause, false alarms and seconds."""
    found = [each["code"] in codes(each["broken"]) for each in records]
    first = [codes(each["broken"])[:1] == [each["code"]] for each in records]
    alarms = [bool(codes(each["healthy"], "error", "warning")) for each in records]
    seconds = [each[kind]["seconds"] for each in records for kind in ("broken", "healthy")]
    return {
        "pairs": len({each["pair"] for each in records}),
        "examinations": 2 * len(records),
        "recall": statistics.mean(found),
        "first": statistics.mean(first),
        "false_alarms": statistics.mean(alarms),
        "median_seconds": statistics.median(seconds),
        "most_seconds": max(seconds),
    }


def main(arguments: Iterable[str] | None = None) -> None:
    """Examine what is missing and show the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["*"], help="names of pairs, with wildcards")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fresh", action="store_true", help="examine again what is recorded")
    given = parser.parse_args(None if arguments is None else list(arguments))
    version = code_version()
    chosen = [pair for pair in PAIRS if any(fnmatch.fnmatch(pair.name, it) for it in given.only)]
    records = []
    for seed in range(given.seeds):
        for pair in chosen:
            started = time.monotonic()
            told = record(pair, seed, version, fresh=given.fresh)
            records.append(told)
            good = codes(told["broken"])[:1] == [pair.code]
            alarm = codes(told["healthy"], "error", "warning")
            print(
                f"{'ok ' if good and not alarm else 'BAD'} {pair.name} {seed}: wanted {pair.code}, "
                f"got {codes(told['broken'])}; healthy {alarm}; "
                f"{told['broken']['skipped'] or ''}{told['healthy']['skipped'] or ''}"
                f"{'' if told['broken']['unchanged'] and told['healthy']['unchanged'] else ' CHANGED'}"
                f" {time.monotonic() - started:.1f} s",
                flush=True,
            )
    for name, figure in summary(records).items():
        print(f"{name:16} {figure:.3f}" if isinstance(figure, float) else f"{name:16} {figure}")


if __name__ == "__main__":
    main()
