"""Which problems are too near to a benchmark task to train on.

Five tests, each over all tasks; the first that holds is the reason:

1. wording: at least half of the word 8-grams of the shorter of the two texts also stand in the other;
2. name: the same function name with the same parameter names, unless the name says nothing ("solve");
3. reworded: 30% of the two texts' word triples are the same (Jaccard; candidates by MinHash), words that every task has
   ("write a function") left out;
4. subject: the two texts share their telling words, whatever their order: each word's stem weighs by how rare it is
   among the tasks, the likeness is that of the weights (Jaccard), and likeness times the number of rare words that the
   shared ones are worth must reach 1; examples are left out;
5. solution: at least 60% of the token 10-grams of the problem's reference also stand in the task's solution, whatever
   the two call what they define; annotations, docstrings and layout do not count.

A verdict on a problem depends on the tasks, not on the other problems. `python -m bench.decontamination` plants copies
and counts what is found.

Not covered: a task told in other words throughout, without a solution; translations; the examples alone. Source:
n-grams as Brown et al. 2020, arXiv:2005.14165, appendix C (up to 13 words there, 8 here: the texts are short); MinHash
as Kocetkov et al. 2022, arXiv:2211.15533.
"""

from __future__ import annotations

import ast
import io
import math
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
MIN_SUBJECT = 0.4
MIN_TELLING = 1.0  # likeness times rare words shared: 0.5 with two, 0.4 with two and a half
CODE_GRAM = 10
MIN_CODE_FRAC = 0.6
MIN_CODE_GRAMS = 8  # shorter solutions are alike by chance
PERMUTATIONS = 128
FILLER = frozenset(
    {"a", "an", "be", "code", "create", "for", "function", "given", "implement", "in", "is", "of", "python", "return"}
    | {"that", "the", "to", "write"}
)
_COMMON = (
    "all also an and any as at between by can count counted each element elements else example first following "
    "from get has have if index input integer integers into it item items its last list lists must no not number "
    "numbers on one only or order other otherwise output position positions result same should string strings "
    "take takes than then there this two use using value values where whether which will with word words you your "
)
COMMON = FILLER.union(_COMMON.split())
"""Words that tell nothing of a task's subject."""
EXAMPLES = re.compile(
    r"(?im)^\s*(examples?\b|\[input|sample)|\b(for (example|instance)\b|examples?:|assert\b)|==>|=>|➞|>>>"
)
"""Where a task's examples begin."""
SUFFIXES = ("ization", "ing", "ies", "ed", "es", "s", "ly")
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
    near, subjects = _NearTexts(tasks), _Subjects(tasks)
    found: dict[str, str] = {}
    for problem in problems:
        reason = (
            _shared_wording(problem, wording, by_words)
            or _shared_name(problem, names)
            or near.reason(problem)
            or subjects.reason(problem)
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


class _Subjects:
    """Finds the task that is about the same: by its telling words, each weighed by how rare it is among the tasks."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        words = {task.id: _subject(task.text) for task in tasks}
        self._index: defaultdict[str, list[str]] = defaultdict(list)
        for task_id in sorted(words):
            for word in words[task_id]:
                self._index[word].append(task_id)
        self._tasks = len(words)
        self._sums = {task_id: math.fsum(map(self._weight, found)) for task_id, found in words.items()}

    def _weight(self, word: str) -> float:
        """Return 1 for a word that one task has, more for one that none has, less for one that many have."""
        frequency = len(self._index.get(word, ()))
        return math.log(1 + self._tasks / (1 + frequency)) / math.log(1 + self._tasks / 2)

    def reason(self, problem: Problem) -> str | None:
        words = sorted(_subject(problem.prompt)) if self._tasks else []
        own = math.fsum(map(self._weight, words))
        shared: defaultdict[str, float] = defaultdict(float)
        for word in words:
            for task_id in self._index.get(word, ()):
                shared[task_id] += self._weight(word)
        for task_id, weight in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
            likeness = weight / (own + self._sums[task_id] - weight)
            if likeness >= MIN_SUBJECT and likeness * weight >= MIN_TELLING:
                return f"subject: {likeness:.0%} of the telling words are those of {task_id}"
        return None


def _subject(text: str) -> set[str]:
    """Return the stems of the words that tell what a text is about; code and examples are no part of it."""
    text = re.sub(r"(?m)^(def|from|import|class|@)\b.*$", "", text)
    start = EXAMPLES.search(text, 40)
    words = re.findall(r"[a-z]{2,}", text[: start.start() if start else None].lower())
    return {_stem(word) for word in words if word not in COMMON}


def _stem(word: str) -> str:
    return next((word[: -len(end)] for end in SUFFIXES if word.endswith(end) and len(word) >= len(end) + 3), word)


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
    """Return a program's tokens; names that it binds become "_"; comments, layout, docstrings, annotations are gone."""
    tokens: list[str] = []
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
        bound = set(_bare(tree))
        for token in tokenize.generate_tokens(io.StringIO(ast.unparse(tree)).readline):
            if token.type == tokenize.NAME:
                tokens.append("_" if token.string in bound else token.string)
            elif token.type in (tokenize.OP, tokenize.NUMBER, tokenize.STRING) and not token.string.startswith('"""'):
                tokens.append(token.string)  # ast.unparse puts docstrings, and nothing else, between """
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return []
    return tokens


def _bare(tree: ast.AST) -> Iterator[str]:
    """Take the annotations off a program; yield the names that it binds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            node.annotation = None
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


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
