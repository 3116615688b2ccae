"""Records that have a copy."""

from pathlib import Path
from typing import NoReturn

import pytest

from kerastextzoo import records
from kerastextzoo.records import DamagedRecordWarning, read_record, write_record


def test_an_end_while_it_is_mended_leaves_it_to_be_mended_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trial.json"
    write_record(path, {"score": 0.5})
    path.write_text("edited", "utf-8")

    def end(*arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(records, "write_json", end)
        with pytest.raises(KeyboardInterrupt):
            read_record(path, mend=True)
    # Without a file of that name the trial would count as not there.
    assert path.exists()
    with pytest.warns(DamagedRecordWarning, match="kept as 'trial.json.damaged'"):
        assert read_record(path, mend=True) == {"score": 0.5}
    assert read_record(path) == {"score": 0.5}
