"""What is wrong with a text that is not our YAML, in plain words, with the usual cause. Pure; called by `load`."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from synapse_spec.plugins.yaml import Span, TooLarge, YamlError, source_lines
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.wording import cut

_CANNOT_START = "a value cannot start with {0} unless it is quoted"
_BACKSLASH = "use single quotes, or write \\\\ for a backslash"
_MORE = "there is more text after the closing quote"
_QUOTE = "inside '…' a ' is written '', inside \"…\" a \" is \\\""
_UNEVEN_LIST = "the items of the list are not indented alike"
_CONFLICT = re.compile(r"<{7}( |$)")
_CLOSING = {"[": "]", "{": "}"}
_BRACKET = re.compile(r"[\[{}\]]")
_BEFORE_VALUES = ("", ":", "-", ",", "[", "{")
_TOKEN = re.compile(r"[^\s,\[\]{}:\"'#][^\s,\[\]{}:]*(?::[^\s,\[\]{}:]+)*")
_SECOND_COLON = re.compile(r"[{,]\s*[^\s,{}\[\]:]+:\s[^,{}\[\]:]*(:)\s")
_OPENING_QUOTE = re.compile(r"""(?:^|[\s\[{,])(["'])""")


@dataclass(frozen=True, slots=True)
class _Said:
    """The answer; a place only where the reader's is not the best one."""

    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """The text and the place, 1-based, where reading it failed."""

    lines: list[str]
    line: int
    column: int

    @property
    def row(self) -> str:
        return self.lines[self.line - 1] if self.line <= len(self.lines) else ""

    @property
    def before(self) -> str:
        return self.row[: self.column - 1]

    @property
    def value(self) -> str:
        """What is written at the place, to the end of the value."""
        rest = re.split(r"\s#", self.row[self.column - 1 :])[0].strip()
        return re.split(r"[,\]}]", rest)[0] if re.search(r"[\[{]", self.before) else rest

    def above(self) -> tuple[int, str]:
        """The last line before this one that is no comment and not empty."""
        for number in range(self.line - 1, 0, -1):
            row = self.lines[number - 1]
            if row.strip() and not row.lstrip().startswith("#"):
                return number, row
        return 0, ""


def diagnosed(error: YamlError, data: bytes, shown: str, code: str = "SS002") -> Diagnostic:
    """The diagnostic of a file that could not be read as YAML."""
    if isinstance(error, TooLarge):
        return _too_large(error, shown, code)
    text = _Text(source_lines(data.decode("utf-8", errors="replace")), error.line, error.column)
    said = _conflict(text) or _first(error.message, text)
    line, column = said.line or error.line, said.column or error.column
    token = _TOKEN.match(text.lines[line - 1], column - 1) if line <= len(text.lines) else None
    return Diagnostic(
        code, said.message, shown, Span(line, column, line, token.end() + 1 if token else column + 1), said.hint
    )


def _too_large(error: TooLarge, shown: str, code: str) -> Diagnostic:
    """Of the file as a whole: it is too large to look for a place."""
    if error.message == "alias bomb":
        return Diagnostic(code, "the aliases stand for too many values", shown, hint="write the values out")
    return Diagnostic(code, error.message, shown, hint="put large data into a file of its own, and give its path")


def _first(message: str, text: _Text) -> _Said:
    for pattern, answer in _ANSWERS:
        match = re.search(pattern, message)
        if match is not None:
            return answer(match, text)
    return _Said(cut(message))


def _conflict(text: _Text) -> _Said | None:
    for number, row in enumerate(text.lines, 1):
        if _CONFLICT.match(row):
            hint = "keep one side, and remove the lines of <<<<<<<, ======= and >>>>>>>"
            return _Said("a merge conflict was left in the file", hint, number, 1)
    return None


def _duplicate(match: re.Match[str], text: _Text) -> _Said:
    key, indent = match[1], len(text.before)
    again = re.compile(rf"""(?:^|[\s{{,])["']?{re.escape(key)}["']?\s*:""")
    said = f"the key {cut(repr(key))} is given twice"
    if again.search(text.before):
        return _Said(said, "remove one of them")
    for number in range(text.line - 1, 0, -1):
        row = text.lines[number - 1]
        if again.match(row[indent:]) and not row[:indent].strip(" -?"):
            return _Said(said, f"it is given first in line {number}")
        if row.strip() and not row[:indent].isspace() and indent and not row.lstrip().startswith("#"):
            break
    return _Said(said, "remove one of them")


def _tab(_: re.Match[str], text: _Text) -> _Said:
    column = text.row.find("\t") + 1
    return _Said("a tab is used for indentation", "indent with blanks", column=column or None)


def _misplaced(match: re.Match[str], text: _Text) -> _Said:
    """A key, a list item or a colon where none can be."""
    row, indent = text.row, len(text.row) - len(text.row.lstrip())
    if "\t" in row[:indent]:
        return _tab(match, text)
    if row[indent:].startswith("- ") and indent + 1 == text.column:
        if text.above()[1].lstrip().startswith("- "):
            return _Said(_UNEVEN_LIST)
        return _Said("a list item stands among keys", "a value is a list or a mapping; is the indentation right?")
    inline = re.match(r"\s*(?:- )*([^\s:][^:]*):\s+(\S.*)", row)
    if inline and inline.end(1) + 1 < text.column:
        value = re.split(r"\s#", inline[2])[0].strip()
        return _Said("a value that holds ': ' must be quoted", f"write {cut(inline[1])}: {_quoted(value)}")
    number, above = text.above()
    outer = len(above) - len(above.lstrip())
    if indent > outer:
        said = f"this line is indented further than line {number}, which has a value already"
        return _Said(said, "indent both alike", column=indent + 1)
    hint = f"line {number} is indented by {outer} blanks, this one by {indent}"
    return _Said("the indentation fits no line above", hint, column=indent + 1)


def _no_colon(_: re.Match[str], text: _Text) -> _Said:
    glued = re.match(r"\s*(?:- )*([^\s:]+):(\S.*)", text.row)
    if glued:
        hint = f"write '{cut(glued[1])}: {cut(glued[2].rstrip())}'"
        return _Said("there is no blank after the colon", hint, column=glued.end(1) + 1)
    return _Said("this is neither 'key: value' nor a list item", "a key is followed by a colon and a blank")


def _open_quote(_: re.Match[str], text: _Text) -> _Said:
    for number in range(text.line, 0, -1):
        row = text.lines[number - 1]
        for match in _OPENING_QUOTE.finditer(row):
            if row[match.start(1) :].count(match[1]) % 2:
                quote = match[1]
                return _Said(f"the {quote} is never closed", f"end the text with {quote}", number, match.start(1) + 1)
    return _Said("a quote is never closed")


def _in_reference(text: _Text, unquoted: str) -> _Said | None:
    """What is wrong with a reference at the place: it has the quotes in it that it stands in, or stands in none."""
    for found in re.finditer(r"\$\{\{.*?\}\}", text.row):
        if found.start() < text.column <= found.end():
            way = f"'{cut(found[0])}'" if '"' in found[0] and "'" not in found[0] else _quoted(found[0])
            quote = next((quote for quote in "\"'" if text.row[: found.start()].count(quote) % 2), "\0")
            inner = found[0].find(quote)
            said = f"the {quote} in the reference ends the text" if inner >= 0 else unquoted
            return _Said(said, f"write {way}", column=found.start() + max(inner, 0) + 1)
    return None


def _open_bracket(_: re.Match[str], text: _Text) -> _Said:
    if (said := _in_reference(text, "a reference inside { } or [ ] must be quoted")) is not None:
        return said
    opened = _innermost_open(text.lines)
    if opened is None:
        return _Said("a comma is missing between two entries", "put one before this")
    bracket, line, column = opened
    return _Said(f"the {bracket} is never closed", f"end it with {_CLOSING[bracket]}", line, column)


def _mismatched(match: re.Match[str], _: _Text) -> _Said:
    said = f"this {match[1]} cannot close the {match[2]} before it"
    return _Said(said, f"put {_CLOSING[match[2]]} in its place, or before it")


def _innermost_open(lines: list[str]) -> tuple[str, int, int] | None:
    """The last bracket that is still open where the text ends, as far as quotes and comments can be told apart."""
    stack: list[tuple[str, int, int]] = []
    for number, row in enumerate(lines, 1):
        if not _BRACKET.search(row):
            continue
        plain = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:^|\s)#.*", lambda match: " " * len(match[0]), row)
        end, last = 0, ""  # of what stands before a bracket in the row
        for match in _BRACKET.finditer(plain):
            last = plain[end : match.start()].strip()[-1:] or last
            if match[0] in "[{" and (stack or last in _BEFORE_VALUES):
                stack.append((match[0], number, match.start() + 1))
            elif match[0] in "]}" and stack:
                stack.pop()
            end, last = match.end(), match[0]
    return stack[-1] if stack else None


def _key(match: re.Match[str], text: _Text) -> _Said:
    if match[1].startswith("("):
        if "{{" in text.row:
            return _Said("'{{' starts a mapping in YAML", "quote it if it is text; a reference is written ${{ }}")
        return _Said("a key must be a string, not a list or a mapping")
    word = {"None": "null", "True": "true", "False": "false"}.get(match[1], match[1])
    if word == "null" and not re.search(r"(null|~)\s*:", text.row, re.IGNORECASE):
        second = _SECOND_COLON.search(text.row)
        column = second and second.start(1) + 1
        return _Said("there is no key before the colon", "is a comma missing, or a key?", column=column)
    at = re.search(rf"\b{re.escape(word)}\s*:", text.row, re.IGNORECASE)
    return _Said(f"a key must be a string, and {word} is not", f'quote it: "{word}"', column=at and at.start() + 1)


def _tag(match: re.Match[str], text: _Text) -> _Said:
    tag = match[1]
    said = f"the tag {cut(tag)} is not taken: values are plain JSON"
    for number in range(text.line, max(text.line - 3, 0), -1):
        at = text.lines[number - 1].rfind(tag) if number <= len(text.lines) else -1
        if at >= 0:
            return _Said(said, "write the value itself", number, at + 1)
    return _Said(said, "write the value itself")


def _quote_it(said: str) -> Callable[[re.Match[str], _Text], _Said]:
    return lambda match, text: _Said(said.format(*map(cut, match.groups())), f"quote it: {_quoted(text.value)}")


def _plainly(said: str, hint: str | None = None) -> Callable[[re.Match[str], _Text], _Said]:
    return lambda match, text: _Said(said.format(*map(cut, match.groups())), hint)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{cut(escaped)}"'


def _no_number(_: re.Match[str], text: _Text) -> _Said:
    if not re.search(r"\d", text.value):
        return _Said(f"{cut(text.value)} is no number that JSON knows", "leave it out, or quote it as text")
    return _Said(f"{cut(text.value)} is too large for a number", f"quote it if it is text: {_quoted(text.value)}")


_ANSWERS: list[tuple[str, Callable[[re.Match[str], _Text], _Said]]] = [
    (r"duplicate mapping key: (.*)", _duplicate),
    (r"a tab cannot be used", _tab),
    (r"a block collection cannot be a mapping key", _misplaced),
    (r"expected ':' after mapping key|implicit mapping key cannot span", _no_colon),
    (r"quoted scalar must be indented|unterminated (?:double|single)|marker cannot appear inside", _open_quote),
    (
        r"unclosed flow|missing ',' between|implicit key of a flow|marker is not allowed inside|flow content must be",
        _open_bracket,
    ),
    (r"multiline flow collection cannot be", _plainly("a key must be a string on one line")),
    (r"mismatched flow collection: '(.)' cannot close a '(.)'", _mismatched),
    (r"unexpected '(.)' with no open", _plainly("there is no bracket that this {0} closes", "quote it if it is text")),
    (r"empty flow entry", _plainly("there is nothing between two commas", "remove one of them")),
    (r"content after quoted", lambda _, text: _in_reference(text, _MORE) or _Said(_MORE, _QUOTE)),
    (r"content after flow", _plainly("there is more text after the closing bracket", "quote it if it is text")),
    (r"'(.)' is a reserved indicator", _quote_it(_CANNOT_START)),
    (r"plain scalar cannot (?:start with|be a bare) '(.)'", _quote_it(_CANNOT_START)),
    (r"unknown alias: \*(.*)", _quote_it("a value that starts with * is an alias, and there is no anchor &{0}")),
    (r"expected (?:alias|anchor) name", _quote_it("a value cannot start with * or & unless it is quoted")),
    (r"unknown escape character: '(.*)'", _plainly("{0} means nothing inside double quotes", _BACKSLASH)),
    (r"a key must be a string, and (.*) is not", _key),
    (r"the tag (\S+) is not allowed", _tag),
    (r"is not a JSON number", _no_number),
    (r"(an integer of more than .*)", _plainly("{0}", "quote it if it is text")),
    (r"invalid unicode code point: (.*)", _plainly("there is no character {0}")),
    (r"alias bomb", _plainly("the aliases stand for too many values", "write the values out")),
    (r"maximum nesting depth \((\d+)\)", _plainly("there are more than {0} levels")),
    (r"invalid UTF-8: (.*)", _plainly("the file is not UTF-8: {0}", "save it as UTF-8")),
    (
        r"a block sequence (?:entry )?cannot",
        _plainly("a list cannot start on the line of its key", "put each '- ' on a line of its own, or quote the text"),
    ),
    (r"sequence entry is indented past", _plainly(_UNEVEN_LIST)),
    (
        r"after block scalar indicator",
        _plainly("the text starts on the line after | or >", "write it there, or quote it"),
    ),
    (r"leading empty line in a block scalar", _plainly("an empty line is indented further than the text that follows")),
    (r"same line as ---", _plainly("--- stands alone on its line")),
    (r"a comment must be", _plainly("there is no blank before the # of a comment", "put one there, or quote the text")),
    (
        r"control character (.*)",
        _plainly("the character {0} cannot stand here", "leave it out, or write it as an escape"),
    ),
    (r"directive", _plainly("a line that starts with % is a directive", "quote it if it is text")),
    (
        r"trailing content|after document-end",
        _plainly("this does not belong to what stands above", "is it indented right? Another document starts with ---"),
    ),
]
