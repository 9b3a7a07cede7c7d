"""What share of a round's time is neither model nor sandbox, and the memory of the whole process tree.

    python -m bench.overhead [RUNS_DIR] [NAME]

Reads the database of a finished run; without arguments it plays one round of preset `smoke` first, in a temporary
folder. A round's wall time runs from the round's row to its end; model time is the time the loop waited for a model
process (its start included), sandbox time the time it waited for nothing but the sandbox.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from state.records import Round, Stage
from state.store import Store

ROOT = Path(__file__).parent.parent
TARGET_FRAC = 0.03


def report(database: Path) -> bool:
    """Print one line a round; return whether all of them are under the target."""
    good = True
    with Store.open(database, read_only=True) as store:
        for round_ in store.all(Round):
            if round_.finished_at is None:
                continue
            wall = (
                datetime.fromisoformat(round_.finished_at) - datetime.fromisoformat(round_.started_at)
            ).total_seconds()
            stages = store.all(Stage, round_id=round_.id)
            model = sum(stage.model_s or 0.0 for stage in stages)
            sandbox = sum(stage.sandbox_s or 0.0 for stage in stages)
            peak = max(stage.peak_rss_bytes or 0 for stage in stages)
            rest = (wall - model - sandbox) / wall
            good = good and rest < TARGET_FRAC
            print(
                f"round {round_.number}: wall {wall:.1f} s = model {model:.1f} s + sandbox {sandbox:.1f} s "
                f"+ rest {rest:.2%} (target under {TARGET_FRAC:.0%}); peak memory of the tree {peak / 2**30:.2f} GiB"
            )
    return good


def main() -> int:
    if len(sys.argv) == 3:
        return 0 if report(Path(sys.argv[1]) / sys.argv[2] / "run.db") else 1
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "run_loop.py",
            "--rounds",
            "1",
            "--preset",
            "smoke",
            "--runs-dir",
            folder,
            "--run",
            "bench",
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        return 0 if report(Path(folder) / "bench" / "run.db") else 1


if __name__ == "__main__":
    sys.exit(main())
