"""Replies of the shapes that small code models write, and what they hold; the function asked for is always `add`.

`CODE`: (name, reply, code or None, defect or None). `TESTS`: (name, reply, [(source, defect), ...]), at most 3 of them
good. `SIGNATURES`: (name, reply, (line, name) or None).
"""

from __future__ import annotations

ADD = "def add(a, b):\n    return a + b"

CODE: list[tuple[str, str, str | None, str | None]] = [
    ("one block", f"```python\n{ADD}\n```", ADD, None),
    (
        "prose around",
        f"Sure! Here's the function you're after:\n\n```python\n{ADD}\n```\n\nIt adds (a) to (b).",
        ADD,
        None,
    ),
    ("no language", f"```\n{ADD}\n```", ADD, None),
    ("capital language", f"```Python\n{ADD}\n```", ADD, None),
    ("tildes", f"~~~python\n{ADD}\n~~~", ADD, None),
    ("windows line ends", f"```python\n{ADD}\n```".replace("\n", "\r\n"), ADD, None),
    ("never closed", f"```python\n{ADD}\n", ADD, None),
    ("closed only, as after a prefilled fence", f"{ADD}\n```\n\nThis function adds its arguments.", ADD, None),
    ("no fence at all", ADD, ADD, None),
    ("no fence, prose around", f"Here's the code:\n\n{ADD}\n\nThis returns the sum (of both.", ADD, None),
    (
        "indented in a list",
        "1. The function:\n\n   ```python\n   def add(a, b):\n       return a + b\n   ```",
        ADD,
        None,
    ),
    (
        "example calls after it",
        f'```python\n{ADD}\n\n# Example usage:\nresult = add(1, 2)\nprint(f"Sum: {{result}}")  # 3\n'
        f"assert add(1, 2) == 3\n```",
        ADD,
        None,
    ),
    (
        "main guard and a test function",
        f"```python\n{ADD}\n\ndef test_add():\n    assert add(1, 2) == 3\n\n"
        f"if __name__ == '__main__':\n    test_add()\n```",
        ADD,
        None,
    ),
    (
        "what it needs is kept, what it does not need is not",
        "```python\nimport math\nimport re\nfrom typing import List\n\nLIMIT = 5\nUNUSED = 6\n\n"
        "def helper(x: List) -> int:\n"
        "    # floors\n    return math.floor(x)\n\ndef other():\n    return 0\n\n@staticmethod\n"
        "@cache\ndef add(a, b):\n"
        "    return helper(a) + LIMIT\n```",
        "import math\nfrom typing import List\n\nLIMIT = 5\n\ndef helper(x: List) -> int:\n"
        "    # floors\n    return math.floor(x)\n\n"
        "@staticmethod\n@cache\ndef add(a, b):\n    return helper(a) + LIMIT",
        None,
    ),
    (
        "a table filled at top level",
        "```python\nTABLE = {}\nfor i in range(9):\n    TABLE[i] = i\ndef add(a, b):\n"
        "    return TABLE[a]\nTABLE.clear\n```",
        "TABLE = {}\nfor i in range(9):\n    TABLE[i] = i\n\ndef add(a, b):\n    return TABLE[a]\n\nTABLE.clear",
        None,
    ),
    ("a second fence where the first should close", f"```python\n{ADD}\n```python\nprint(add(1, 2))\n```", ADD, None),
    (
        "an escape that Python warns of",
        '```python\ndef add(a, b):\n    return "\\d"\n```',
        'def add(a, b):\n    return "\\d"',
        None,
    ),
    ("a continuation with nothing after it", f"```python\n{ADD}\\\n# Done\n```", ADD, None),
    (
        "a setting made before it",
        "```python\nimport sys\nsys.setrecursionlimit(9999)\nprint('Go')\n\n"
        "def add(a, b):\n    return a\n\nsys.exit(0)\n```",
        "import sys\n\nsys.setrecursionlimit(9999)\n\ndef add(a, b):\n    return a",
        None,
    ),
    (
        "a parameter that shares a global's name",
        "```python\nnumbers = [1, 2]\ndef add(numbers, b):\n    return [numbers for x in b]\n"
        "print(add(numbers, 2))\n```",
        "def add(numbers, b):\n    return [numbers for x in b]",
        None,
    ),
    (
        "helper in a block of its own",
        "First a helper:\n```python\nimport math\ndef half(x):\n    return math.floor(x / 2)\n```\nNow the function:\n"
        "```python\ndef add(a, b):\n    return half(a) + b\n```\nUse it:\n```python\nprint(add(1, 2))\n```",
        "import math\n\ndef half(x):\n    return math.floor(x / 2)\n\ndef add(a, b):\n    return half(a) + b",
        None,
    ),
    (
        "a stub first, then the function",
        f'```python\ndef add(a, b):\n    """Add."""\n    pass\n```\nFilled in:\n```python\n{ADD}\n```',
        ADD,
        None,
    ),
    (
        "two versions: the first counts",
        f"```python\n{ADD}\n```\nor\n```python\nadd = lambda a, b: a + b\n```",
        ADD,
        None,
    ),
    ("written twice in a block: the last counts", f"```python\ndef add(a, b):\n    return 1\n\n{ADD}\n```", ADD, None),
    ("a lambda", "```python\nadd = lambda a, b: a + b\n```", "add = lambda a, b: a + b", None),
    (
        "wrapped after its definition",
        f"```python\nfrom functools import cache\n{ADD}\nadd = cache(add)\n```",
        f"from functools import cache\n\n{ADD}\n\nadd = cache(add)",
        None,
    ),
    ("shell block before it", f"```bash\npip install add\n```\n```python\n{ADD}\n```", ADD, None),
    ("cut off in the example", f"```python\n{ADD}\n\nprint('The sum of 1 and", ADD, None),
    ("cut off in a test", f"```python\n{ADD}\n\ndef test_add():\n    assert add(1, 2) == (3", ADD, None),
    ("cut off in a comment", f"```python\n{ADD}\n\n# Exa", ADD, None),
    (
        "several statements on a line",
        "```python\nimport re; import math\ndef add(a, b): return math.pi\n```",
        "import math\n\ndef add(a, b): return math.pi",
        None,
    ),
    (
        "method without use of its object",
        "```python\nclass Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b\n```",
        "def add(a: int, b: int) -> int:\n    return a + b",
        None,
    ),
    (
        "static method that needs an import",
        "```python\nimport math\nclass Solution:\n    @staticmethod\n    def add(a, b):\n"
        "        return math.pi\n\nprint(Solution.add(1, 2))\n```",
        "import math\n\ndef add(a, b):\n    return math.pi",
        None,
    ),
    (
        "method that uses its object",
        "```python\nclass S:\n    def add(self, a, b):\n        return self.add(a, b)\n```",
        None,
        "no_entry_point",
    ),
    ("another name", "```python\ndef add_numbers(a, b):\n    return a + b\n```", None, "no_entry_point"),
    ("only imported", "```python\nfrom operator import add\nprint(add(1, 2))\n```", None, "no_entry_point"),
    ("a coroutine", "```python\nasync def add(a, b):\n    return a + b\n```", None, "no_entry_point"),
    ("cut off inside", "```python\ndef add(a, b):\n    total = (a +", None, "syntax_error"),
    ("broken", "```python\ndef add(a, b)\n    return a + b\n```", None, "syntax_error"),
    (
        "a helper it needs is broken",
        "```python\ndef half(x:\n    return x\n\ndef add(a, b):\n    return half(a)\n```",
        None,
        "syntax_error",
    ),
    ("broken, no name", "```python\nreturn a +\n```", None, "syntax_error"),
    ("only prose", "To add two numbers, use the plus operator.", None, "no_code"),
    ("nothing", "", None, "no_code"),
    ("an empty block", "```python\n```", None, "no_code"),
]

TESTS: list[tuple[str, str, list[tuple[str, str | None]]]] = [
    (
        "one block",
        "```python\nassert add(1, 2) == 3\nassert add('a', \"b\") == 'ab'  # strings\n```",
        [("assert add(1, 2) == 3", None), ('assert add("a", "b") == "ab"', None)],
    ),
    ("messages go", 'assert add(1, 2) == 3, f"{add(1, 2)} is not 3"', [("assert add(1, 2) == 3", None)]),
    ("a tuple is not a claim", 'assert (add(1, 2) == 3, "wrong")', [("assert add(1, 2) == 3", None)]),
    (
        "several lines",
        "```\nassert add(\n    [1],\n    [2],\n) == [1, 2]\n```",
        [("assert add([1], [2]) == [1, 2]", None)],
    ),
    (
        "numbered and in backticks",
        "Here are the tests:\n1. `assert add(1, 2) == 3`\n2) assert add(0, 0) == 0\n"
        "- `assert add(-1, 1) == 0` (edge)\nThat's it.",
        [("assert add(1, 2) == 3", None), ("assert add(0, 0) == 0", None), ("assert add(-1, 1) == 0", None)],
    ),
    (
        "cut off",
        "```python\nassert add(1, 2) == 3\nassert add(4, 5) == 9\nassert add(6, ",
        [("assert add(1, 2) == 3", None), ("assert add(4, 5) == 9", None), ("assert add(6,", "syntax_error")],
    ),
    (
        "test functions with local variables",
        "```python\nimport pytest\nfrom solution import add\n\ndef test_one():\n    a = [1]\n"
        "    expected = [1, 2]\n    result = add(a, [2])\n"
        "    assert result == expected\n\ndef test_two():\n    with pytest.raises(TypeError):\n"
        "        add(None, 1)\n    assert result == 2\n```",
        [("assert add([1], [2]) == [1, 2]", None), ("assert result == 2", "no_call")],
    ),
    (
        "cut off inside a test function",
        "```python\ndef test_add():\n    x = 2\n    assert add(1, x) == 3\n    assert add(2, x) == ",
        [("assert add(1, 2) == 3", None), ("assert add(2, x) ==", "syntax_error")],
    ),
    (
        "unittest",
        "```python\nimport unittest\n\nclass TestAdd(unittest.TestCase):\n    def test_it(self):\n"
        "        self.assertEqual(add(1, 2), 3, 'sum')\n"
        "        self.assertTrue(add(1, 0))\n        self.assertAlmostEqual(add(.1, .2), .3)\n\n"
        "if __name__ == '__main__':\n    unittest.main()\n```",
        [
            ("assert add(1, 2) == 3", None),
            ("assert add(1, 0)", None),
            ("assert abs(add(0.1, 0.2) - 0.3) < 1e-07", None),
        ],
    ),
    (
        "a table and a loop",
        "```python\ncases = [((1, 2), 3), ((4, 5), 9)]\nfor args, want in cases:\n"
        "    assert add(args[0], args[1]) == want\n```",
        [("assert add((1, 2)[0], (1, 2)[1]) == 3", None), ("assert add((4, 5)[0], (4, 5)[1]) == 9", None)],
    ),
    (
        "HumanEval's form",
        "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)",
        [("assert add(1, 2) == 3", None)],
    ),
    ("bare comparisons", "```python\nadd(1, 2) == 3\nadd(1, 2)\n```", [("assert add(1, 2) == 3", None)]),
    (
        "imports that it needs, from the standard library",
        "```python\nimport math, os\nimport numpy as np\nassert math.isclose(add(1, 2), 3)\n"
        "assert add(np.pi, 1) == 4\n```",
        [("import math\nassert math.isclose(add(1, 2), 3)", None), ("assert add(np.pi, 1) == 4", "unbound_name")],
    ),
    (
        "names that nothing defines",
        "assert add(x, 1) == 2\nassert helper(add(1, 1)) == 2\nassert all(add(i, 0) == i for i in range(3))",
        [
            ("assert add(x, 1) == 2", "unbound_name"),
            ("assert helper(add(1, 1)) == 2", "unbound_name"),
            ("assert all((add(i, 0) == i for i in range(3)))", None),
        ],
    ),
    (
        "a variable that changes is not known",
        "x = 1\nx += 1\nassert add(x, 1) == 3\nx = 5\nassert add(x, [x for x in [1]]) == 3\nassert add(x, 1) == 6",
        [
            ("assert add(x, 1) == 3", "unbound_name"),
            ("assert add(x, [x for x in [1]]) == 3", "unbound_name"),
            ("assert add(5, 1) == 6", None),
        ],
    ),
    ("no call", "assert True\nassert callable(add)", [("assert True", "no_call"), ("assert callable(add)", "no_call")]),
    (
        "the function is written as well",
        f"```python\n{ADD}\n```\nTests:\n```python\nassert add(1, 2) == 3\n```",
        [("assert add(1, 2) == 3", None)],
    ),
    (
        "duplicates and surplus",
        "\n".join(f"assert add({n}, 0) == {n}" for n in (1, 1, 2, 3, 4)),
        [
            ("assert add(1, 0) == 1", None),
            ("assert add(1, 0) == 1", "duplicate"),
            ("assert add(2, 0) == 2", None),
            ("assert add(3, 0) == 3", None),
            ("assert add(4, 0) == 4", "surplus"),
        ],
    ),
    ("only prose", "I would test add with small numbers.", [("I would test add with small numbers.", "no_code")]),
]

SIGNATURES: list[tuple[str, str, tuple[str, str] | None]] = [
    ("one line", "```python\ndef add(a: int, b: int) -> int:\n```", ("def add(a: int, b: int) -> int:", "add")),
    ("one line, no fence", "def add(a, b):", ("def add(a, b):", "add")),
    ("with a body", f"The header is:\n```python\n{ADD}\n```", ("def add(a, b):", "add")),
    ("no colon", "```python\ndef add(a: int) -> int\n```", None),
    (
        "typing",
        "```python\ndef f(a: List[Dict[str, int]]) -> Optional[int]:\n    pass\n```",
        ("def f(a: list[dict[str, int]]):", "f"),
    ),
    ("a method", "```python\nclass S:\n    def add(self, a):\n        pass\n```", None),
    ("needs a name", "```python\ndef add(a, b=np.inf):\n    pass\n```", None),
    (
        "the first that is no test",
        "```python\ndef test_it():\n    pass\ndef add(a):\n    pass\n```",
        ("def add(a):", "add"),
    ),
    ("prose", "I would call it add.", None),
]
