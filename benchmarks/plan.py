"""`plan` of what is all up to date, against reading and hashing the files, `dvc repro --dry` and `snakemake -n`.

The workspace has 10,000 runs in 10,000 files, all of which were really run: folder `a` holds 1,000 of them, `a` and `b`
5,000. DVC and Snakemake get as many equal units: one input file, one number, one command, one output file each, all up
to date, written in the way that is quickest for them. Both are to say that there is nothing to do.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.noop_apply import make_workspace
from benchmarks.paired import Pair, Ratio, compare

FEW, MANY, ALL = 1000, 5000, 10_000
JOINED = 2000  # a file may have 2,500 documents
HASH_LIMIT = 5.0
CHANGED_LIMIT = 1.1
DVC_LIMIT = 1 / 30
SNAKEMAKE_LIMITS = {FEW: 1 / 5, MANY: 1 / 10}
# Twice and five times as many may take so much more than twice and five times as long.
SLACK = 1.1
_FOLDERS = {FEW: ["a"], MANY: ["a", "b"], ALL: ["a", "b", "c"]}
PEERS = Path(sys.prefix, "peers", "bin")

# What the limit is measured against: every plugin, spec and status file is read and hashed.
_HASHING = """\
import hashlib, pathlib, sys
for folder in sys.argv[1:]:
    for path in pathlib.Path(folder).rglob('*'):
        if path.is_file():
            hashlib.sha256(path.read_bytes()).hexdigest()
"""

_STAGE = """\
  unit-{number}:
    cmd: sh unit.sh {number} {double}
    deps: [data/{number}.txt]
    outs: [{{out/{number}.txt: {{cache: false}}}}]
"""

_LOCKED = """\
  unit-{number}:
    cmd: sh unit.sh {number} {double}
    deps:
    - path: data/{number}.txt
      hash: md5
      md5: {data}
      size: {data_size}
    outs:
    - path: out/{number}.txt
      hash: md5
      md5: {out}
      size: {out_size}
"""

_SNAKEFILE = """\
rule all:
    input: expand("out/{number}.txt", number=range(config["first"], config["end"]))

rule unit:
    input: "data/{number}.txt"
    output: "out/{number}.txt"
    params: double=lambda wildcards: 2 * int(wildcards.number)
    shell: "cat {input} > {output}; echo {params.double} >> {output}"
"""


def missing_peers() -> list[str]:
    """Those of the programs to measure against that are not installed beside this Python."""
    return [name for name in ("dvc", "snakemake") if not (PEERS / name).is_file()]


def measure() -> Iterator[Ratio]:
    with _applied() as folder:
        yield from _by_itself(folder)
        for count in (FEW, MANY):
            rounds = 3 if count == FEW else 1
            with _dvc(count) as peer:
                words = [str(PEERS / "dvc"), "--cd", str(peer), "repro", "--dry"]
                label = f"plan of {count} units / dvc repro --dry"
                yield compare(label, Pair(_plan(*_FOLDERS[count]), words, folder), DVC_LIMIT, rounds)
        with _snakemake() as peer:
            for count in (FEW, MANY):
                words = [*_snake(peer, count), "--dry-run"]
                label = f"plan of {count} units / snakemake -n"
                yield compare(label, Pair(_plan(*_FOLDERS[count]), words, folder), SNAKEMAKE_LIMITS[count], 3)


def _by_itself(folder: Path) -> Iterator[Ratio]:
    for count, names in _FOLDERS.items():
        yield _against_hashing(f"plan of {count} unchanged runs in {count} files", folder, names)
    yield _against_hashing(f"plan of {JOINED} unchanged runs in one file", folder, ["joined"])
    for more, fewer in ((MANY, FEW), (ALL, MANY)):
        pair = Pair(_plan(*_FOLDERS[more]), _plan(*_FOLDERS[fewer]), folder)
        yield compare(f"plan of {more} runs / plan of {fewer}", pair, SLACK * more / fewer, 5)
    pair = Pair(_plan("a", "b", "changed"), _plan(*_FOLDERS[ALL]), folder, (2, 0))
    yield compare(f"plan of {ALL} runs, one of them changed / none", pair, CHANGED_LIMIT, 5)


def _against_hashing(label: str, folder: Path, names: list[str]) -> Ratio:
    peer = [sys.executable, "-c", _HASHING, "plugin", *names]
    return compare(f"{label} / reading and hashing their files", Pair(_plan(*names), peer, folder), HASH_LIMIT, 5)


def _plan(*names: str) -> list[str]:
    return [sys.executable, "-m", "synapse_spec", "plan", "--detailed-exitcode", *names]


@contextmanager
def _applied() -> Iterator[Path]:
    """The workspace. Beside the three folders: `changed`, which is `c` with one change, and `joined`, one file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder, ALL)
        for place in _FOLDERS[ALL]:
            (folder / place).mkdir()
        specs = sorted((folder / "specs").iterdir())
        for index, spec in enumerate(specs):
            spec.rename(folder / ("a" if index < FEW else "b" if index < MANY else "c") / spec.name)
        _call([sys.executable, "-m", "synapse_spec", "apply", *_FOLDERS[ALL]], folder)
        shutil.copytree(folder / "c", folder / "changed")
        _join(folder)
        for names in (["a", "b", "changed"], ["joined"]):  # what is there by now is known, as it is to the peers
            _call([sys.executable, "-m", "synapse_spec", "apply", *names], folder)
        last = folder / "changed" / specs[-1].name
        last.write_text(last.read_text().replace("label: ", "label: another "))
        yield folder


def _join(folder: Path) -> None:
    """One file of specs that were in files of their own, and their status files as one."""
    (folder / "joined").mkdir()
    for ending, kept in ((".yaml", slice(None)), (".status.yaml", slice(1, None))):
        files = sorted(path for name in "ab" for path in (folder / name).glob(f"unit-?????{ending}"))[:JOINED]
        texts = ["".join(path.read_text().splitlines(keepends=True)[kept]) for path in files]
        (folder / "joined" / f"joined{ending}").write_text("---\n".join(texts))


@contextmanager
def _dvc(count: int) -> Iterator[Path]:
    """A repository with so many stages, all up to date, which DVC itself confirms.

    What `dvc repro` would note of each, having run it, is written for it: it would take hours, since it writes the
    whole lock file anew after each stage.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _call([str(PEERS / "dvc"), "init", "--quiet", "--no-scm"], folder)
        for key in ("core.analytics", "core.check_update"):
            _call([str(PEERS / "dvc"), "config", key, "false"], folder)
        (folder / "unit.sh").write_text("cat data/$1.txt > out/$1.txt; echo $2 >> out/$1.txt\n")
        _stages(folder, 2)
        ours = (folder / "dvc.lock").read_text()
        (folder / "dvc.lock").unlink()
        _call([str(PEERS / "dvc"), "repro"], folder)
        assert (folder / "dvc.lock").read_text() == ours
        _stages(folder, count)
        told = _call([str(PEERS / "dvc"), "repro", "--dry"], folder)
        assert told.count("didn't change, skipping") == count
        yield folder


def _stages(folder: Path, count: int) -> None:
    _inputs(folder, count)
    (folder / "out").mkdir(exist_ok=True)
    stages, locked = ["stages:\n"], ["schema: '2.0'\nstages:\n"]
    for number in range(count):
        data = (folder / "data" / f"{number}.txt").read_bytes()
        out = data + f"{2 * number}\n".encode()
        (folder / "out" / f"{number}.txt").write_bytes(out)
        md5 = {"data": hashlib.md5(data).hexdigest(), "out": hashlib.md5(out).hexdigest()}
        stages.append(_STAGE.format(number=number, double=2 * number))
        sizes = {"data_size": len(data), "out_size": len(out)}
        locked.append(_LOCKED.format(number=number, double=2 * number, **md5, **sizes))
    (folder / "dvc.yaml").write_text("".join(stages))
    (folder / "dvc.lock").write_text("".join(locked))


@contextmanager
def _snakemake() -> Iterator[Path]:
    """A workflow of `MANY` jobs, all of which Snakemake has run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _inputs(folder, MANY)
        (folder / "Snakefile").write_text(_SNAKEFILE)
        for first in range(0, MANY, FEW):  # all at once take it far longer
            _call([*_snake(folder, first + FEW, first), "--cores", "all", "--quiet", "all"], folder)
        for count in (FEW, MANY):
            assert "Nothing to be done" in _call([*_snake(folder, count), "--dry-run"], folder)
        yield folder


def _snake(folder: Path, end: int, first: int = 0) -> list[str]:
    places = ["--directory", str(folder), "--snakefile", str(folder / "Snakefile")]
    return [str(PEERS / "snakemake"), *places, "--config", f"first={first}", f"end={end}"]


def _inputs(folder: Path, count: int) -> None:
    (folder / "data").mkdir(exist_ok=True)
    for number in range(count):
        (folder / "data" / f"{number}.txt").write_text(f"unit {number}\n")


def _call(words: list[str], folder: Path) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(words, cwd=folder, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout
