"""Every number of a report, counted again with plain SQL and textbook formulas: nothing of the product is used.

Keys are those of the page's `<data>` elements. A number that is not known (None) has no element.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STAGES = ("problems", "code", "tests", "judge", "select", "train", "benchmark", "gate")
STEP_FIELDS = ("loss", "reward_margin", "reward_accuracy", "chosen_logp", "rejected_logp")
Z = 1.959963984540054


def wilson(passed: float, n: int) -> tuple[float, float]:
    p, spread = passed / n, Z * math.sqrt(passed / n * (1 - passed / n) / n + Z**2 / (4 * n**2))
    low, high = (p + Z**2 / (2 * n) - spread) / (1 + Z**2 / n), (p + Z**2 / (2 * n) + spread) / (1 + Z**2 / n)
    return max(low, 0.0), min(high, 1.0)


def bonett_price(differences: Sequence[float]) -> tuple[float, float]:
    values = [*differences, 1.0, -1.0]  # one win and one loss are added
    mean = sum(values) / len(values)
    half = Z * math.sqrt((sum(v * v for v in values) / len(values) - mean**2) / len(values))
    return max(mean - half, -1.0), min(mean + half, 1.0)


class Recount:
    """Numbers of one database by key."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.db.row_factory = sqlite3.Row
        self.found: dict[str, float] = {}
        self.config = json.loads(self.one("SELECT config FROM runs"))
        self.base = self.one("SELECT model_sha256 FROM runs")
        self.rounds = self.rows("SELECT * FROM rounds ORDER BY number")
        self.adapters = {
            row["id"]: row
            for row in self.rows("SELECT a.*, r.number FROM adapters a JOIN rounds r ON r.id = a.round_id")
        }
        self.outcomes: dict[tuple[str, str], dict[str, float]] = {}
        rows = self.rows("SELECT weights_id, benchmark, task_id, avg(passed) AS p FROM scores GROUP BY 1, 2, 3")
        for row in rows:
            self.outcomes.setdefault((row["weights_id"], row["benchmark"]), {})[row["task_id"]] = row["p"]

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self.db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Any:
        return self.db.execute(sql, values).fetchone()[0]

    def put(self, key: str, value: float | None) -> None:
        if value is not None:
            self.found[key] = value

    def interval(self, key: str, bounds: Sequence[float] | None) -> None:
        if bounds is not None:
            self.put(f"{key}.low", bounds[0])
            self.put(f"{key}.high", bounds[1])

    def all(self) -> dict[str, float]:
        self.run()
        for turn in self.rounds:
            self.round(turn)
        for name in self.config["benchmark"]["gate"] + self.config["benchmark"]["audit"]:
            self.benchmark(name)
        self.rules()
        self.stages()
        self.matrices()
        self.lineage()
        return self.found

    def run(self) -> None:
        for table in ("pairs", "matrices", "executions", "problems", "rounds"):
            self.put(table, self.one(f"SELECT count(*) FROM {table}"))
        self.put("finished", self.one("SELECT count(*) FROM rounds WHERE finished_at IS NOT NULL"))
        self.put("promoted", self.one("SELECT count(*) FROM promotions WHERE promoted"))
        self.put("dropped", self.one("SELECT count(*) FROM problems WHERE dropped IS NOT NULL"))
        self.put("wall_s", self.one("SELECT sum(wall_s) FROM stages"))
        self.put("tokens", self.one("SELECT sum(tokens) FROM stages WHERE name IN ('code', 'tests', 'benchmark')"))
        for kind in ("code", "test"):
            for defect, count in self.rows("SELECT defect, count(*) FROM samples WHERE kind = ? GROUP BY 1", kind):
                self.put(f"fate.{kind}.{defect or 'usable'}", count)
            self.put(f"fate.{kind}.samples", self.one("SELECT count(*) FROM samples WHERE kind = ?", kind))

    def round(self, turn: sqlite3.Row) -> None:
        key, n = turn["id"], turn["number"]
        self.put(f"number.{n}", n)
        of = " WHERE round_id = ?"
        for kind in ("code", "test"):
            sql = f"SELECT count(*) FROM samples{of} AND kind = ? AND defect IS NULL"
            self.put(f"round.{n}.{kind}s", self.one(sql, key, kind))
        for name, table in (("judged", "matrices"), ("executions", "executions"), ("pairs", "pairs")):
            self.put(f"round.{n}.{name}", self.one(f"SELECT count(*) FROM {table}{of}", key))
        rule = self.config["select"]["rule"]
        for row in self.rows(f"SELECT * FROM reliability{of} AND rule = ?", key, rule):
            for name in ("measured", "good", "inverted"):
                self.put(f"round.{n}.{name}", row[name])
            for name in ("pairs", "measured", "good", "inverted"):
                self.put(f"trained.{n}.{name}", row[name])
        steps = self.rows(f"SELECT * FROM train_steps{of} ORDER BY step", key)
        for adapter in self.rows(f"SELECT * FROM adapters{of}", key):
            self.put(f"round.{n}.steps", adapter["steps"])
            self.put(f"training.{n}.pairs", adapter["pairs"])
            self.put(f"training.{n}.steps", adapter["steps"])
            for field in STEP_FIELDS:
                self.put(f"training.{n}.{field}.first", steps[0][field])
                self.put(f"training.{n}.{field}.last", steps[-1][field])
        self.put(f"round.{n}.loss.first", steps[0]["loss"])
        self.put(f"round.{n}.loss.last", steps[-1]["loss"])
        for row in self.rows(f"SELECT * FROM promotions{of}", key):
            self.put(f"decision.{n}.p", row["p_value"])
            self.put(f"decision.{n}.alpha", row["alpha"])
            for each in json.loads(row["evidence"]):
                at = f"decision.{n}.{each['name']}"
                for name, field in (("champion", "champion_pass"), ("candidate", "candidate_pass")):
                    self.put(f"{at}.{name}", each[field])
                for field in ("tasks", "difference", "wins", "losses"):
                    self.put(f"{at}.{field}", each[field])
                self.interval(at, each["difference_interval"])

    def benchmark(self, name: str) -> None:
        base = self.outcomes[self.base, name]
        for weights in [self.base, *self.adapters]:
            passed = self.outcomes.get((weights, name))
            if passed is None:
                continue
            at = f"standing.{name}.{0 if weights == self.base else self.adapters[weights]['number']}"
            self.put(f"{at}.tasks", len(passed))
            if passed.keys() >= base.keys():  # not where the candidate was cut short
                self.put(f"{at}.frac", sum(passed.values()) / len(passed))
                self.interval(at, wilson(sum(passed.values()), len(passed)))
        for turn in self.rounds:
            mine = [key for key, adapter in self.adapters.items() if adapter["round_id"] == turn["id"]]
            new = self.outcomes.get((mine[0], name)) if mine else None
            if new is None:
                continue
            old = self.outcomes[turn["champion_id"] or self.base, name]
            change = {task: new[task] - old[task] for task in new.keys() & old.keys()}
            at = f"contest.{name}.{turn['number']}"
            self.put(f"{at}.won", sum(each > 0 for each in change.values()))
            self.put(f"{at}.lost", sum(each < 0 for each in change.values()))
            self.put(f"{at}.both", sum(each == 0 and new[task] > 0 for task, each in change.items()))
            self.put(f"{at}.neither", sum(each == 0 and new[task] == 0 for task, each in change.items()))
        champion = self.champion()
        if champion is not None:
            lead = self.outcomes[champion, name]
            change = {task: lead[task] - base[task] for task in lead.keys() & base.keys()}
            at = f"gain.{name}"
            self.put(f"{at}.champion", sum(lead.values()) / len(lead))
            self.put(f"{at}.base", sum(base.values()) / len(base))
            self.put(f"{at}.tasks", len(change))
            self.put(f"{at}.difference", sum(change.values()) / len(change))
            self.put(f"{at}.wins", sum(each > 0 for each in change.values()))
            self.put(f"{at}.losses", sum(each < 0 for each in change.values()))
            self.interval(at, bonett_price(list(change.values())))

    def champion(self) -> str | None:
        sql = "SELECT p.candidate_id AS id FROM promotions p JOIN rounds r ON r.id = p.round_id WHERE p.promoted"
        found = self.rows(f"{sql} ORDER BY r.number DESC LIMIT 1")
        return found[0]["id"] if found else None

    def rules(self) -> None:
        sums = ", ".join(
            f"sum({each}) AS {each}"
            for each in ("pairs", "measured", "good", "inverted", "tests_right", "tests_measured")
        )
        for row in self.rows(f"SELECT rule, {sums} FROM reliability GROUP BY rule"):
            for name in row.keys()[1:]:
                self.put(f"rule.{row['rule']}.{name}", row[name])
            self.put(f"rule.{row['rule']}.share", row["good"] / row["measured"] if row["measured"] else None)

    def stages(self) -> None:
        total = self.one("SELECT sum(wall_s) FROM stages")
        of_stage = "SELECT s.*, r.number FROM stages s JOIN rounds r ON r.id = s.round_id"
        for row in self.rows(of_stage):
            self.stage(f"stage.{row['number']}.{row['name']}", row)
            self.put(f"stage.{row['number']}.{row['name']}.peak_rss_bytes", row["peak_rss_bytes"])
        sums = ", ".join(
            f"sum({each}) AS {each}" for each in ("wall_s", "model_s", "sandbox_s", "tokens", "executions")
        )
        for row in self.rows(f"SELECT name, {sums} FROM stages GROUP BY name"):
            self.stage(f"total.{row['name']}", row)
            self.put(f"total.{row['name']}.share", row["wall_s"] / total)

    def stage(self, at: str, row: sqlite3.Row) -> None:
        for name in ("wall_s", "model_s", "sandbox_s", "tokens", "executions"):
            self.put(f"{at}.{name}", row[name])
        if row["tokens"] and row["model_s"]:
            self.put(f"{at}.tokens_per_s", row["tokens"] / row["model_s"])

    def matrices(self) -> None:
        for row in self.rows("SELECT * FROM matrices"):
            codes, tests, passed = (json.loads(row[name]) for name in ("code_ids", "test_ids", "passed"))
            at = f"matrix.{row['id']}"
            self.put(f"{at}.codes", len(codes))
            self.put(f"{at}.tests", len(tests))
            self.put(f"{at}.cells", len(codes) * len(tests))
            self.put(f"{at}.passes", "".join(passed).count("1"))
            if row["tampered"] or row["vacuous"]:
                self.put(f"{at}.tampered", row["tampered"])
                self.put(f"{at}.vacuous", row["vacuous"])

    def lineage(self) -> None:
        adapter_id = self.champion() or max(self.adapters.values(), key=lambda row: row["number"])["id"]
        while adapter_id is not None:
            adapter = self.adapters[adapter_id]
            pairs = self.rows("SELECT * FROM pairs WHERE round_id = ?", adapter["round_id"])
            self.put(f"lineage.{adapter['number']}.pairs", len(pairs))
            for pair in pairs:
                for column in ("chosen_code_id", "chosen_test_id", "rejected_code_id", "rejected_test_id"):
                    sql = "SELECT r.* FROM samples s JOIN replies r ON r.id = s.reply_id WHERE s.id = ?"
                    (reply,) = self.rows(sql, pair[column])
                    self.put(f"reply.{reply['id']}.position", reply["position"])
            adapter_id = adapter["parent_id"]
