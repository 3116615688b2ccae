"""How much each setting mattered for the score."""

from collections.abc import Sequence

import pandas as pd
from pandas.api.types import is_numeric_dtype

from kerastextzoo.tuning.trials import Trial

_FEWEST_TRIALS = 8
_TREES = 100
_SHUFFLES = 5


def importances(trials: Sequence[Trial], objective: str) -> pd.Series:
    """Return each setting's share of what the settings explain of the scores, the largest first.

    A random forest learns the scores from the settings. Then one setting at a time is shuffled
    between the trials, and its importance is what the forest is worse by (Breiman 2001,
    https://doi.org/10.1023/A:1010933404324).

    Args:
        trials: In any order. Those without a score don't count.
        objective: What they are ranked by, the name of the result.

    Returns:
        Numbers that sum to 1 by setting, `model` among them where there are several. Nothing for
        fewer than 8 scores, or where the forest says nothing of trials that a tree has not seen.

    Example:
        >>> known = {"status": "completed", "seconds": 1.0}
        >>> trials = [
        ...     Trial(id=i, score=i % 2, values={"layers": i % 2, "units": i}, **known)
        ...     for i in range(20)
        ... ]
        >>> importances(trials, "val_accuracy").idxmax()
        'layers'
    """
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    scored = [trial for trial in trials if trial.score is not None]
    settings = pd.DataFrame([{**trial.values, "model": trial.model} for trial in scored])
    settings = settings.loc[:, settings.nunique() > 1]
    if len(scored) < _FEWEST_TRIALS or settings.empty:
        return pd.Series(dtype=float, name=objective)
    numeric = [name for name in settings if is_numeric_dtype(settings[name])]
    categories = settings.columns.difference(numeric).tolist()
    # What a trial has no value for is filled in, or the gap would tell of which model it is.
    for name in settings:
        column = settings[name]
        usual = column.median() if name in numeric else column.mode()[0]
        settings[name] = column.fillna(usual)
    # Trees see the order of numbers alone: a learning rate needs no other scale.
    forest = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), categories), remainder="passthrough"
        ),
        RandomForestRegressor(_TREES, oob_score=True, random_state=0),
    )
    scores = [trial.score for trial in scored]
    forest.fit(settings, scores)
    found = permutation_importance(forest, settings, scores, n_repeats=_SHUFFLES, random_state=0)
    drops = pd.Series(found.importances_mean, settings.columns, name=objective).clip(lower=0)
    if forest[-1].oob_score_ <= 0 or not drops.sum() > 0:
        return pd.Series(dtype=float, name=objective)
    return (drops / drops.sum()).sort_values(ascending=False)
