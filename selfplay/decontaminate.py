"""Which problems are too near to a benchmark task to train on.

Four tests, each over all tasks; the first that holds is the reason:

1. wording: at least half of the word 8-grams of the shorter of the two texts also stand in the other;
2. name: the same function name with the same parameter names, unless the name says nothing ("solve");
3. reworded: 30% of the two texts' word triples are the same (Jaccard; candidates by MinHash), words that every task has
   ("write a function") left out;
4. solution: at least 60% of the token 12-grams of the problem's reference also stand in the task's solution, whatever
   the two call their variables.

Not covered: a task told in other words, with another name and another solution; translations; the solution of a problem
that has no reference. Source: n-grams as Brown et al. 2020, arXiv:2005.14165, appendix C (up to 13 words there, 8
here: the texts are short); MinHash as Kocetkov et al. 2022, arXiv:2211.15533.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from datasketch import MinHash, MinHashLSH

from state.records import Problem

WORD_GRAM = 8
MIN_SHARED_FRAC = 0.5
SHINGLE = 3
MIN_LIKENESS = 0.3
MIN_SHINGLES = 8  # a text with fewer word triples says too little
CODE_GRAM = 12
MIN_CODE_FRAC = 0.6
MIN_CODE_GRAMS = 20  # shorter solutions are alike by chance
PERMUTATIONS = 128
FILLER = frozenset(
    {"a", "an", "be", "code", "create", "for", "function", "given", "implement", "in", "is", "of", "python", "return"}
    | {"that", "the", "to", "write"}
)
GENERIC_NAMES = frozenset({"f", "fn", "func", "function", "main", "run", "solution", "solve", "test"})

Gram = tuple[str, ...]
Index = Mapping[Gram, Sequence[str]]


class Task(Protocol):
    """What a benchmark task must show: its name, its text with the `def` line if any, its solution or ""."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def canonical(self) -> str: ...  # noqa: D102


def overlaps(problems: Iterable[Problem], tasks: Sequence[Task]) -> dict[str, str]:
    """Return the reason for each problem that is too near to a task; the key is the problem's id.

    Args:
        problems: To be trained on.
        tasks: To be measured by, gate and audit alike.

    Returns:
        What overlaps and with which task; problems that overlap with none are not in it.
    """
    wording = {task.id: set(_grams(_words(task.text), WORD_GRAM)) for task in tasks}
    solutions = {task.id: set(_grams(_tokens(task.canonical), CODE_GRAM)) for task in tasks}
    by_words, by_tokens = _index(wording), _index(solutions)
    names: dict[Gram, str] = {}
    for task in tasks:
        for header in _headers(task.text + "\n" + task.canonical):
            names.setdefault(header, task.id)
    near = _NearTexts(tasks)
    found: dict[str, str] = {}
    for problem in problems:
        reason = (
            _shared_wording(problem, wording, by_words)
            or _shared_name(problem, names)
            or near.reason(problem)
            or _shared_solution(problem, by_tokens)
        )
        if reason is not None:
            found[problem.id] = reason
    return found


def _shared_wording(problem: Problem, wording: Mapping[str, set[Gram]], index: Index) -> str | None:
    grams = set(_grams(_words(problem.prompt), WORD_GRAM))
    for task_id, shared in _most_shared(grams, index):
        frac = shared / min(len(grams), len(wording[task_id]))
        if frac >= MIN_SHARED_FRAC:
            return f"wording: shares {frac:.0%} of the word {WORD_GRAM}-grams with {task_id}"
    return None


def _shared_name(problem: Problem, names: Mapping[Gram, str]) -> str | None:
    for header in _headers(problem.signature or ""):
        if header in names:
            return f"name: {problem.entry_point}({', '.join(header[1:])}) is also the function of {names[header]}"
    return None


def _shared_solution(problem: Problem, index: Index) -> str | None:
    grams = set(_grams(_tokens(problem.reference or ""), CODE_GRAM))
    if len(grams) < MIN_CODE_GRAMS:
        return None
    for task_id, shared in _most_shared(grams, index):
        if shared / len(grams) >= MIN_CODE_FRAC:
            return f"solution: shares {shared / len(grams):.0%} of the token {CODE_GRAM}-grams with {task_id}"
    return None


class _NearTexts:
    """Finds the task whose text is nearly the same: candidates by MinHash, the likeness itself exactly."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._lsh = MinHashLSH(threshold=MIN_LIKENESS / 2, num_perm=PERMUTATIONS)
        self._shingles = {task.id: _shingles(task.text) for task in tasks}
        for task_id, shingles in self._shingles.items():
            if len(shingles) >= MIN_SHINGLES:
                self._lsh.insert(task_id, _minhash(shingles))

    def reason(self, problem: Problem) -> str | None:
        shingles = _shingles(problem.prompt)
        for task_id in sorted(self._lsh.query(_minhash(shingles))) if len(shingles) >= MIN_SHINGLES else ():
            other = self._shingles[task_id]
            likeness = len(shingles & other) / len(shingles | other)
            if likeness >= MIN_LIKENESS:
                return f"reworded: the text is {likeness:.0%} like that of {task_id}"
        return None


def _shingles(text: str) -> set[Gram]:
    return set(_grams([word for word in _words(text) if word not in FILLER], SHINGLE))


def _minhash(shingles: set[Gram]) -> MinHash:
    hashed = MinHash(num_perm=PERMUTATIONS, seed=1)
    hashed.update_batch([" ".join(shingle).encode() for shingle in sorted(shingles)])
    return hashed


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _grams(words: Sequence[str], size: int) -> Iterator[Gram]:
    """Yield each run of `size` words; the whole where there are fewer, nothing where there are none."""
    for start in range(max(1, len(words) - size + 1) if words else 0):
        yield tuple(words[start : start + size])


def _index(grams: Mapping[str, set[Gram]]) -> dict[Gram, list[str]]:
    index: defaultdict[Gram, list[str]] = defaultdict(list)
    for task_id in sorted(grams):
        for gram in grams[task_id]:
            index[gram].append(task_id)
    return dict(index)


def _most_shared(grams: Iterable[Gram], index: Index) -> list[tuple[str, int]]:
    """Return (task id, grams in common), most first, ties by id."""
    counts = Counter(task_id for gram in grams for task_id in index.get(gram, ()))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _tokens(source: str) -> list[str]:
    """Return the tokens of a program without comments, layout and docstrings; a name that is no keyword becomes "_"."""
    tokens: list[str] = []
    try:
        with warnings.catch_warnings(action="ignore"):
            text = ast.unparse(ast.parse(source))
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                tokens.append(token.string if keyword.iskeyword(token.string) else "_")
            elif token.type in (tokenize.OP, tokenize.NUMBER, tokenize.STRING) and not token.string.startswith('"""'):
                tokens.append(token.string)  # ast.unparse puts docstrings, and nothing else, between """
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return []
    return tokens


def _headers(text: str) -> Iterator[Gram]:
    """Yield (name, parameter, ...) of each function header that starts a line; names without case and underscores."""
    for match in re.finditer(r"^def\s.+?:[ \t]*$", text, re.MULTILINE | re.DOTALL):
        try:
            node = ast.parse(match[0] + " ...").body[0]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(node, ast.FunctionDef) and node.name.lower() not in GENERIC_NAMES:
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            yield (node.name.lower().replace("_", ""), *(argument.arg for argument in arguments))
