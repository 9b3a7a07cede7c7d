"""Questions that people ask of a run's database, ready to run: for datasette and sqlite-utils.

Each is one SELECT with a fixed order. The docs (docs/reading-a-run.md) show how to use them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question."""

    name: str
    """Its address in datasette."""
    title: str
    sql: str


QUERIES = (
    Query(
        name="rounds",
        title="Rounds: who led, what was decided and why",
        sql="""
            SELECT r.number, r.outcome, p.wins, p.losses, p.p_value, p.alpha, p.reason
            FROM rounds r LEFT JOIN promotions p ON p.round_id = r.id
            ORDER BY r.number
        """,
    ),
    Query(
        name="pass_rates",
        title="pass@1 of every set of weights on every benchmark",
        sql="""
            SELECT coalesce('adapter of round ' || r.number, 'base model') AS weights, s.benchmark,
                count(DISTINCT s.task_id) AS tasks, round(100.0 * avg(s.passed), 1) AS pass_at_1_percent
            FROM scores s
            LEFT JOIN adapters a ON a.id = s.weights_id
            LEFT JOIN rounds r ON r.id = a.round_id
            GROUP BY s.weights_id, s.benchmark
            ORDER BY s.benchmark, r.number
        """,
    ),
    Query(
        name="tasks_that_changed",
        title="Benchmark tasks that a candidate won or lost against its champion",
        sql="""
            SELECT r.number AS round, new.benchmark, new.task_id,
                CASE WHEN avg(new.passed) > avg(old.passed) THEN 'won' ELSE 'lost' END AS outcome
            FROM rounds r
            JOIN adapters a ON a.round_id = r.id
            JOIN scores new ON new.weights_id = a.id
            JOIN scores old ON old.benchmark = new.benchmark AND old.task_id = new.task_id
                AND old.decoding = new.decoding AND old.position = new.position
                AND old.weights_id = coalesce(r.champion_id, (SELECT model_sha256 FROM runs WHERE id = r.run_id))
            GROUP BY r.number, new.benchmark, new.task_id
            HAVING avg(new.passed) <> avg(old.passed)
            ORDER BY r.number, new.benchmark, new.task_id
        """,
    ),
    Query(
        name="pairs",
        title="Pairs with code and test of both sides",
        sql="""
            SELECT r.number AS round, m.entry_point, p.chosen_right, p.rejected_right,
                cc.source AS chosen_code, ct.source AS chosen_test, rc.source AS rejected_code,
                rt.source AS rejected_test, p.id
            FROM pairs p
            JOIN rounds r ON r.id = p.round_id
            JOIN problems m ON m.id = p.problem_id
            JOIN samples cc ON cc.id = p.chosen_code_id
            JOIN samples ct ON ct.id = p.chosen_test_id
            JOIN samples rc ON rc.id = p.rejected_code_id
            JOIN samples rt ON rt.id = p.rejected_test_id
            ORDER BY r.number, m.position, p.id
        """,
    ),
    Query(
        name="inverted_pairs",
        title="Pairs that teach the wrong thing: chosen code wrong, rejected code right",
        sql="""
            SELECT r.number AS round, m.entry_point, m.prompt, p.chosen, p.rejected, p.id
            FROM pairs p
            JOIN rounds r ON r.id = p.round_id
            JOIN problems m ON m.id = p.problem_id
            WHERE p.chosen_right = 0 AND p.rejected_right = 1
            ORDER BY r.number, m.position, p.id
        """,
    ),
    Query(
        name="reliability",
        title="How true the pairs of each rule are, over all rounds",
        sql="""
            SELECT rule, sum(pairs) AS pairs, sum(measured) AS measured, sum(good) AS good, sum(inverted) AS inverted,
                round(100.0 * sum(good) / nullif(sum(measured), 0), 1) AS good_percent
            FROM reliability GROUP BY rule ORDER BY good_percent DESC, rule
        """,
    ),
    Query(
        name="time",
        title="Where the time went, by stage",
        sql="""
            SELECT name, round(sum(wall_s), 1) AS wall_s, round(sum(model_s), 1) AS model_s,
                round(sum(sandbox_s), 1) AS sandbox_s, sum(tokens) AS tokens, sum(executions) AS executions,
                round(sum(tokens) / nullif(sum(model_s), 0), 1) AS tokens_per_s
            FROM stages GROUP BY name ORDER BY sum(wall_s) DESC
        """,
    ),
    Query(
        name="defects",
        title="Why samples are in no matrix",
        sql="""
            SELECT kind, coalesce(defect, 'usable') AS fate, count(*) AS samples
            FROM samples GROUP BY kind, defect ORDER BY kind, samples DESC
        """,
    ),
    Query(
        name="verdicts",
        title="What executions came to, by role",
        sql="""
            SELECT role, status, trust, level, count(*) AS executions, round(avg(wall_s), 4) AS mean_wall_s
            FROM executions GROUP BY role, status, trust, level ORDER BY role, executions DESC
        """,
    ),
    Query(
        name="hard_problems",
        title="Problems by the share of right codes, where that is known",
        sql="""
            SELECT m.entry_point, m.source, count(*) AS matrices, sum(length(x.code_right)) AS codes,
                sum(length(replace(x.code_right, '0', ''))) AS right_codes,
                round(100.0 * sum(length(replace(x.code_right, '0', ''))) / sum(length(x.code_right)), 1)
                    AS right_percent
            FROM matrices x JOIN problems m ON m.id = x.problem_id
            WHERE x.code_right IS NOT NULL AND x.code_right <> ''
            GROUP BY m.id ORDER BY right_percent, m.position
        """,
    ),
    Query(
        name="left_out",
        title="Problems that were never used, and why",
        sql="""
            SELECT entry_point, source, dropped, prompt FROM problems WHERE dropped IS NOT NULL
            ORDER BY source, position
        """,
    ),
)
