"""Texts of specs that are as large as is read, or larger; tried by `test_fuzz`."""

from synapse_spec.plugins.yaml import MAX_BYTES

HEAD = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: a}\nspec:\n  plugin: {path: plugins/demo}\n"


def bomb() -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)])


PARAMS = f"{HEAD}  action: train\n  params:\n"
META = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata:\n  name: a\n"
SPEC = "spec: {plugin: {path: plugins/demo}, action: train, params: {epochs: 1}%s}\n"
RUN = "---\napiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: r#%s}\n" + SPEC
# What is before, what is repeated (with # for its number), what is after, and how often just passes the limit.
REPEATED = {
    "wrong items": (f"{PARAMS}    layers: [", "x, ", "]\n", 49_000),
    "unknown fields": (f"{HEAD}  action: train\n", "  k#: 1\n", "", 49_000),
    "unknown fields in a line": (f"{HEAD}  action: train\n  x: {{", "k#: 1, ", "}\n", 49_000),
    "unknown params": (PARAMS, "    k#: 1\n", "", 49_000),
    "waits": (f"{HEAD}  action: train\n  dependsOn: [", "r#, ", "]\n", 49_000),
    "waits for the same": (f"{HEAD}  action: train\n  dependsOn: [", "r, ", "]\n", 49_000),
    "wrong waits": (f"{HEAD}  action: train\n  dependsOn: [", "R_#, ", "]\n", 49_000),
    "labels": (f"{META}  labels: {{", "k#: v, ", "}\n" + SPEC % "", 49_000),
    "wrong labels": (f"{META}  labels: {{", "K#: 1, ", "}\n" + SPEC % "", 49_000),
    "runs": ("", RUN % ("", ""), "", 2490),
    "runs with wrong labels": ("", RUN % (", labels: {a: 1}", ""), "", 2490),
    "runs that wait for missing ones": ("", RUN % ("", ", dependsOn: [n#]"), "", 2490),
    "runs that wait for themselves": ("", RUN % ("", ", dependsOn: [r#]"), "", 2490),
    "wrong documents": ("", "---\na\n", "", 2490),
    "broken documents": ("", "---\na: [\n", "", 2490),
    "dashes": ("", "- ", "", 49_000),
    "lines of dashes": ("", "- " * 900 + "a\n", "", 54),
    "question marks": ("", "? ", "", 49_000),
    "colons": ("", ": ", "", 49_000),
    "references": (f"{PARAMS}    epochs: [", '"${{ runs.b#.result }}", ', "]\n", 12_400),
    "references in one text": (f'{PARAMS}    epochs: "', "${{ runs.b.result }}", '"\n', 12_400),
    "unclosed references": (f"{PARAMS}    epochs: |\n", "      ${{ a\n", "", 12_400),
    "wrong keys": (f"{PARAMS}    {{", "#: 1, ", "}\n", 49_000),
    "tags": (f"{PARAMS}    epochs: [", "!x a, ", "]\n", 49_000),
    "anchors": (f"{PARAMS}    epochs: [", "&a# b, ", "]\n", 49_000),
    "words of YAML 1.1": (f"{PARAMS}    layers: [", "on, ", "]\n", 49_000),
    "keys with words of YAML 1.1": (PARAMS, "    k#: on\n", "", 49_000),
    "folded text": (f"{PARAMS}    epochs: >\n", "      a\n", "", 49_000),
    "block text": (f"{PARAMS}    epochs: |\n", "      a\n", "", 49_000),
    "pipes": ("", "|\n", "", 49_000),
    "an unclosed quote": (f'{PARAMS}    epochs: "', "a\n      ", "", 49_000),
    "lines of comments": (PARAMS, "# a\n", "", 49_000),
    "a hexadecimal integer": (f"{PARAMS}    epochs: 0x", "f", "\n", 100_000),
    "an octal integer": (f"{PARAMS}    epochs: 0o", "7", "\n", 100_000),
    "a long key of params": (f"{PARAMS}    ", "a", ": 1\n", 1_000_000),
    "a long path": (HEAD.replace("plugins/demo}", ""), "a", "}\n  action: a\n", 300),
    "a long module": (HEAD.replace("path: plugins/demo}", "module: a"), ".a", "}\n  action: a\n", 100_000),
    "a long reference": (f'{PARAMS}    epochs: "${{{{ runs.b.result', ".a", ' }}"\n', 1_000_000),
    "blanks in a reference": (f'{PARAMS}    epochs: "${{{{', " ", 'a }}"\n', 1_000_000),
    "a long duration": (f"{PARAMS}    epochs: 1\n  timeout: ", "9", "h\n", 10_000),
    "a long number of seconds": (f"{PARAMS}    epochs: 1\n  timeout: ", "9", "\n", 4300),
    "a long size": (f"{PARAMS}    epochs: 1\n  resources: {{memory: ", "9", "GiB}\n", 10_000),
    "a text aliased": (f"{PARAMS}    x: &x {'a' * 4400}\n    epochs: [", "*x, ", "]\n", 49_000),
    "a list aliased": (f"{PARAMS}    x: &x [{('a' * 4400 + ', ') * 900}]\n    epochs: [", "*x, ", "]\n", 40),
    "a text aliased by a long name": (
        f"{PARAMS}    x: &{'x' * 50} {'a' * 4400}\n    epochs: [",
        f"*{'x' * 50}, ",
        "]\n",
        49_000,
    ),
    "open brackets and commas": ("a: [", "b {c ,", "", 49_000),
    "merge keys": (f"{PARAMS}    epochs: [", "{<<: {a: 1}}, ", "]\n", 24_000),
    "env": (f"{HEAD}  action: train\n  env: {{", "K#: v, ", "}\n", 49_000),
    "wrong env": (f"{HEAD}  action: train\n  env: {{", "k #: [], ", "}\n", 49_000),
    "env with words of YAML 1.1": (f"{HEAD}  action: train\n  env:\n", "    K#: 1.10\n", "", 49_000),
    "annotations": (f"{META}  annotations: {{", "k#: [], ", "}\n" + SPEC % "", 49_000),
    "fields beside spec": (PARAMS, "k#: 1\n", "", 49_000),
    "empty lists": (f"{PARAMS}    epochs: [", "[], ", "]\n", 49_000),
    "deep lists": (f"{PARAMS}    epochs: [", f"{'[' * 200}x{']' * 200}, ", "]\n", 240),
    "NaNs": (f"{PARAMS}    epochs: [", ".nan, ", "]\n", 49_000),
    "long integers": (f"{PARAMS}    epochs: [", f"{'9' * 4300}, ", "]\n", 2400),
    "integers that are too long": (f"{PARAMS}    epochs: [", f"{'9' * 4400}, ", "]\n", 2300),
    "axes of a matrix": (f"{PARAMS}    epochs: 1\n  matrix: {{", "k#: [1,2], ", "}\n", 24_000),
    "axes of one value": (f"{PARAMS}    epochs: 1\n  matrix: {{", "k#: [1], ", "}\n", 24_000),
    "values of a matrix": (f"{PARAMS}    epochs: 1\n  matrix: {{k: [", "#, ", "]}\n", 49_000),
    "included combinations": (f"{PARAMS}    epochs: 1\n  matrix: {{k: [1], include: [", "{k: #}, ", "]}\n", 40_000),
    "included values": (f"{PARAMS}    epochs: 1\n  matrix: {{k: [1], include: [", "{x: #}, ", "]}\n", 40_000),
    "params of many children": (f"{PARAMS}    layers: [", "1, ", f"]\n  matrix: {{k: {list(range(256))}}}\n", 49_000),
    "a long text of many children": (
        f"{PARAMS}    epochs: ${{{{ matrix.k }}}} ",
        "a",
        f"\n  matrix: {{k: {list(range(256))}}}\n",
        9_000_000,
    ),
    "values in many places": (
        f"{PARAMS}    epochs: [",
        '"a${{ matrix.k }}", ',
        f"]\n  matrix: {{k: [{'a' * 1_000_000}]}}\n",
        12_000,
    ),
    "values of many children": (f"{PARAMS}    layers: [", "1, ", f"]\n  matrix: {{k: {list(range(256))}}}\n", 380),
    "many children, each wrong": (f"{PARAMS}    layers: [", "x, ", f"]\n  matrix: {{k: {list(range(256))}}}\n", 49_000),
}


def repeated(name: str, size: int | None = None) -> str:
    """That text: with as much of it as is just read, or of that many characters."""
    before, unit, after, number = REPEATED[name]
    number = number if size is None else (size - len(before) - len(after)) // (len(unit) + 8 * unit.count("#"))
    if unit.startswith("# ") or "#" not in unit:
        return before + unit * number + after
    return before + "".join(unit.replace("#", str(index)) for index in range(number)) + after


LARGE = {
    "brackets": lambda: "[" * MAX_BYTES,
    "braces": lambda: "{" * MAX_BYTES,
    "quotes": lambda: '"' * MAX_BYTES,
    "tabs": lambda: "\t" * MAX_BYTES,
    "NULs": lambda: "\0" * MAX_BYTES,
    "a long key": lambda: "a" * (MAX_BYTES - 3) + ": 1",
    "a long value": lambda: f"{PARAMS}    epochs: {'a' * 10_000_000}\n",
    "a huge integer": lambda: f"{PARAMS}    epochs: {'9' * 10_000_000}\n",
    "a huge float": lambda: f"{PARAMS}    epochs: 1e{'9' * 1_000_000}\n",
    "a long comment": lambda: "#" * MAX_BYTES,
    "many comments": lambda: PARAMS + "# a\n" * 1_000_000,
    "many documents": lambda: "---\n" * 1_000_000,
    "a key given 100,000 times": lambda: PARAMS + "    epochs: 1\n" * 100_000,
    "a wrong value in 980 levels": lambda: f"{PARAMS}    epochs: {'[' * 980}1{']' * 980}\n",
    "a wrong mapping in 980 levels": lambda: f"{PARAMS}    epochs: {'{a: ' * 980}1{'}' * 980}\n",
    "aliases of aliases": bomb,
    "100,000 aliases": lambda: f"{PARAMS}    x: &x [{'1,' * 1000}]\n    y: [{'*x,' * 100_000}]\n",
    "more than is read": lambda: "#" * (MAX_BYTES + 1),
}

# What is not counted before it is read may be as long as a file is.
ENDLESS = [name for name, (_, unit, *_) in REPEATED.items() if len(unit) > 4000 or not set("\n,:?-[{&*!$") & set(unit)]
