"""Runs commands in this process, which is quick, through the entry that users call."""

import json
import sys
from typing import Any

import pytest

from kerastextzoo import cli


class Command:
    """Calls the command line; gives exit status, standard output and standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["kerastextzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = self.capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, out, err

    def json(self, *arguments: object) -> Any:
        status, out, err = self(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)
