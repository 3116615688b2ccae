"""Search over architecture and training settings; KerasTuner proposes, our records remember.

`tune` runs a search and turns its best trial into a run. To add a search algorithm, add its oracle
to `ORACLES` in `kerastextzoo.tuning.oracles`.
"""

from kerastextzoo.tuning.checks import SearchWarning, check_search
from kerastextzoo.tuning.executors import InThisProcess, LocalProcesses, make_executor
from kerastextzoo.tuning.finalists import Finalist
from kerastextzoo.tuning.oracles import ORACLES
from kerastextzoo.tuning.search import SearchResult, tune
from kerastextzoo.tuning.space import find_specs
from kerastextzoo.tuning.trials import Trial

__all__ = [
    "ORACLES",
    "Finalist",
    "InThisProcess",
    "LocalProcesses",
    "SearchResult",
    "SearchWarning",
    "Trial",
    "check_search",
    "find_specs",
    "make_executor",
    "tune",
]
