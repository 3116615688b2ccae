"""The doctor's proof: broken programs and their healthy twins, examined over several seeds.

    python -m benchmarks.doctor                       # what is missing, then docs/doctor.md
    python -m benchmarks.doctor --only sigmoid* --seeds 1 --fresh

Each examination is recorded as soon as it is done, in `benchmarks/examinations/`, and is not made
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

import keras
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks" / "examinations"
sys.path.append(str(ROOT / "tests"))

from doctor.bank import PAIRS  # noqa: E402
from doctor.pairs import Pair  # noqa: E402

from kerastextzoo.doctor.case import Case  # noqa: E402
from kerastextzoo.doctor.causes import CAUSES  # noqa: E402
from kerastextzoo.doctor.diagnosing import examine  # noqa: E402
from kerastextzoo.doctor.program import Program  # noqa: E402
from kerastextzoo.doctor.remedies import mend  # noqa: E402

STORIES = {
    "S0": "Long Chinese news: a plain LSTM sits still, a convolution and pooling before it cure it",
    "S1": "News titles: a plain recurrent layer over padding does not converge, an LSTM does",
    "S2": "Reviews: answers rounded, softmax twice, a schedule stepped by the batch, one time step",
    "S3": "Emotions: the CNN works, the LSTM gives one class: a sigmoid after the softmax, padding",
    "S4": "Films: an LSTM beside a residual LSTM, and a rate at which neither learns",
}
_SOURCES = ("kerastextzoo/doctor/*.py", "tests/doctor/*.py")


def code_version() -> str:
    """Return a hash of all that an examination depends on."""
    paths = sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern))
    together = hashlib.sha256(b"".join(path.read_bytes() for path in paths))
    return together.hexdigest()[:16]


def looked_at(program: Program, seed: int) -> dict[str, Any]:
    """Examine one program, and look whether it stayed as it was."""
    before = [weight.copy() for weight in program.model.get_weights()]
    found = examine(program, seed=seed)
    after = program.model.get_weights()
    return {
        "findings": [finding.as_dict() for finding in found.findings],
        "said": str(found),
        "skipped": dict(found.skipped),
        "seconds": round(found.seconds, 2),
        "unchanged": all(
            np.array_equal(one, two, equal_nan=True) for one, two in zip(before, after, strict=True)
        ),
    }


def record(pair: Pair, seed: int, version: str, *, remedy: bool, fresh: bool) -> dict[str, Any]:
    """Examine both programs of a pair, unless that is recorded."""
    path = RECORDS / f"{pair.name}-{seed}.json"
    if path.exists() and not fresh:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if kept["version"] == version and (not remedy or "mended" in kept):
            return kept
    told: dict[str, Any] = {
        "pair": pair.name,
        "code": pair.code,
        "story": pair.story,
        "language": pair.language,
        "seed": seed,
        "version": version,
        "broken": looked_at(pair.broken(seed), seed),
        "healthy": looked_at(pair.healthy(seed), seed),
    }
    if remedy:
        told["mended"] = mended(pair, seed)
    RECORDS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return told


def mended(pair: Pair, seed: int) -> dict[str, float] | None:
    """Train the broken program after the doctor's own change, and its twin; None if by hand."""
    program = pair.broken(seed)
    case = Case(program, seed=seed)
    found = examine(program, seed=seed).findings
    if not found or found[0].code != pair.code:
        return None
    with case.quietly():
        changed = mend(case, found[0])
    if changed is None:
        return None
    x, y = pair.held_out(seed)
    twin = pair.healthy(seed)
    return {
        "twin": trained(twin, x, y, seed),
        "mended": trained(changed, x, renumbered(y, twin, changed), seed),
        "broken": trained(pair.broken(seed), x, y, seed),
    }


def renumbered(y: Any, twin: Program, changed: Program) -> Any:
    """Return the classes of held-out rows as the mended program numbers them."""
    same_rows = np.array_equal(twin.x, changed.x)
    if np.ndim(y) != 1 or np.shape(twin.y) != np.shape(changed.y) or not same_rows:
        return y
    numbers = dict(zip(np.ravel(twin.y), np.ravel(changed.y), strict=True))
    return np.array([numbers[each] for each in y])


def trained(program: Program, x: Any, y: Any, seed: int) -> float:
    """Train a program as it says, and return its accuracy on held-out rows; 0 if it fails."""
    keras.utils.set_random_seed(seed)
    case = Case(program)
    try:
        program.model.fit(
            program.x,
            program.y,
            batch_size=program.batch_size,
            epochs=program.epochs,
            callbacks=list(program.callbacks),
            shuffle=program.shuffle,
            verbose=0,
        )
        classes = np.asarray(y) if np.ndim(y) == 1 else np.argmax(y, -1)
        return case.right(program.model.predict(x, verbose=0), classes)
    except Exception:
        return 0.0


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


def page(records: Sequence[dict[str, Any]]) -> str:
    """Return the proof as Markdown."""
    total = summary(records)
    seeds = sorted({each["seed"] for each in records})
    lines = [
        "# What the doctor finds",
        "",
        "Generated by `python -m benchmarks.doctor`. Each pair is a program that is broken in one "
        "way and its healthy twin, written for Keras by hand or from the zoo, in English and "
        f"Chinese; {total['pairs']} pairs, seeds {', '.join(map(str, seeds))}, "
        f"{total['examinations']} examinations.",
        "",
        "| figure | reached | goal |",
        "|---|---|---|",
        f"| recall: the cause is among the findings | {total['recall']:.1%} | 95 % |",
        f"| the cause is named first | {total['first']:.1%} | 90 % |",
        f"| healthy twins with any error or warning | {total['false_alarms']:.1%} | 2 % |",
        f"| median time of an examination | {total['median_seconds']:.1f} s | 60 s at most |",
        f"| longest examination | {total['most_seconds']:.1f} s | 60 s at most |",
    ]
    tried = [each["mended"] for each in records if each.get("mended")]
    if tried:
        close = statistics.mean(each["mended"] >= each["twin"] - 0.02 for each in tried)
        lines.append(
            f"| mended by the doctor itself: within 2 points of the twin | {close:.1%} of "
            f"{len(tried)} | all |"
        )
    lines += [
        "",
        "| pair | language | cause | found | first | false alarms | broken | mended | twin |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    by_pair: dict[str, list[dict[str, Any]]] = {}
    for each in records:
        by_pair.setdefault(each["pair"], []).append(each)
    for name, several in by_pair.items():
        code = several[0]["code"]
        total = summary(several)
        fixed = next((each["mended"] for each in several if each.get("mended")), None)
        shown = [f"{fixed[it]:.1%}" for it in ("broken", "mended", "twin")] if fixed else [""] * 3
        count = len(several)
        lines.append(
            f"| {name} | {several[0]['language']} | `{code}` | "
            f"{round(total['recall'] * count)}/{count} | {round(total['first'] * count)}/{count} | "
            f"{round(total['false_alarms'] * count)}/{count} | {' | '.join(shown)} |"
        )
    lines += ["", "## The stories, in the doctor's words"]
    for story, told in STORIES.items():
        lines += ["", f"### {story}. {told}"]
        for each in records:
            if each["story"] == story and each["seed"] == seeds[0]:
                lines += ["", f"{each['pair']}:", "", "```text", each["broken"]["said"], "```"]
    lines += [
        "",
        "## Every finding",
        "",
        "| code | severity | what it says | the change |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{it.code}` | {it.severity} | {it.what} | {it.remedy} |" for it in CAUSES]
    return "\n".join(lines) + "\n"


def main(arguments: Iterable[str] | None = None) -> None:
    """Examine what is missing and show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=["*"], help="names of pairs, with wildcards")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--remedies", type=int, default=1, help="seeds that are mended too")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "doctor.md")
    parser.add_argument("--fresh", action="store_true", help="examine again what is recorded")
    given = parser.parse_args(None if arguments is None else list(arguments))
    version = code_version()
    chosen = [pair for pair in PAIRS if any(fnmatch.fnmatch(pair.name, it) for it in given.only)]
    records = []
    for seed in range(given.seeds):
        for pair in chosen:
            started = time.monotonic()
            told = record(pair, seed, version, remedy=seed < given.remedies, fresh=given.fresh)
            records.append(told)
            unchanged = told["broken"]["unchanged"] and told["healthy"]["unchanged"]
            good = codes(told["broken"])[:1] == [pair.code]
            alarm = codes(told["healthy"], "error", "warning")
            print(
                f"{'ok ' if good and not alarm else 'BAD'} {pair.name} {seed}: wanted {pair.code}, "
                f"got {codes(told['broken'])}; healthy {alarm}; "
                f"{told['broken']['skipped'] or ''}{told['healthy']['skipped'] or ''}"
                f"{'' if unchanged else ' CHANGED'}"
                f" {time.monotonic() - started:.1f} s",
                flush=True,
            )
    if len(chosen) == len(PAIRS):
        given.page.write_text(page(records), "utf-8")
    for name, figure in summary(records).items():
        print(f"{name:16} {figure:.3f}" if isinstance(figure, float) else f"{name:16} {figure}")


if __name__ == "__main__":
    main()
