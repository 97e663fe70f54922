"""``flask --app ... hub ...`` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..workers.harness import ROOT
from .clinic import LONGEST, SECRET, Clinic


@dataclass(frozen=True)
class Command:
    """Looks at an application whose settings are in the environment."""

    installed: Path
    clinic: Clinic

    def run(
        self, *words: str, app: str = "tests.doctor.patient", name: str = "check", **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """What it says; it has to be done in time."""
        environ = {
            "PATH": os.environ["PATH"],
            "PATIENT": json.dumps({**self.clinic.settings, **settings}),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.installed)]),
            "PYTHONWARNINGS": "error",
        }
        arguments = [sys.executable, "-m", "flask", "--app", app, "hub", name, *words]
        begun = time.monotonic()
        done = subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=50, cwd=ROOT, check=False)
        print(f"{time.monotonic() - begun:.1f} s", done.stderr)
        assert time.monotonic() - begun < LONGEST
        assert not [word for word in (SECRET, "TopSecret") if word in done.stdout + done.stderr]
        assert "Traceback" not in done.stderr
        return done

    def findings(self, **settings: Any) -> list[dict[str, str]]:
        """What is found."""
        found: list[dict[str, str]] = json.loads(self.run("--json", **settings).stdout)
        return found

    def codes(self, **settings: Any) -> tuple[int, list[str]]:
        """Its status, and the codes of what is found."""
        done = self.run("--json", **settings)
        return done.returncode, [each["code"] for each in json.loads(done.stdout)]
