"""A client of a language server: JSON-RPC over its stdin and stdout. What editors send, and no more.

Positions are given in the text itself: the cursor is the first CURSOR.
"""

import json
import subprocess
import threading
from pathlib import Path
from queue import Queue
from typing import Any

CURSOR = "▮"
_PATIENCE = 20.0  # seconds; an answer takes milliseconds


class LanguageServer:
    """The server's process; a context manager.

    Args:
        command: What starts it.
        folder: The workspace.
        settings: By section, such as `yaml`; what the server asks the editor for.
    """

    def __init__(self, command: list[str], folder: Path, settings: dict[str, Any]) -> None:
        self._folder, self._settings = folder, settings
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self._messages: Queue[dict[str, Any] | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._last_id = 0

    def __enter__(self) -> "LanguageServer":
        self._reader.start()
        uri = self._folder.as_uri()
        markdown = {"documentationFormat": ["markdown", "plaintext"], "snippetSupport": True}
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {
                "completion": {"completionItem": markdown},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
        }
        folders = [{"uri": uri, "name": self._folder.name}]
        start = {"processId": None, "rootUri": uri, "workspaceFolders": folders, "capabilities": capabilities}
        self.request("initialize", start)
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": {}})
        return self

    def __exit__(self, *_: object) -> None:
        self.request("shutdown", None)
        self._notify("exit", None)
        self._process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def open(self, path: Path, text: str) -> None:
        """Opens a document that needs not be on the disk."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text.replace(CURSOR, "")}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def diagnostics(self, path: Path) -> list[dict[str, Any]]:
        """Those of a document that has just been opened; the server takes a moment over them."""
        while True:
            message = self._next()
            found = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and found["uri"] == path.as_uri():
                diagnostics: list[dict[str, Any]] = found["diagnostics"]
                return diagnostics

    def at(self, verb: str, path: Path, text: str) -> Any:
        """The answer to `textDocument/VERB` at the cursor of an open document."""
        before = text[: text.index(CURSOR)].split("\n")
        position = {"line": len(before) - 1, "character": len(before[-1])}
        return self.request(f"textDocument/{verb}", {"textDocument": {"uri": path.as_uri()}, "position": position})

    def request(self, method: str, params: Any) -> Any:
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self._last_id and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def _next(self) -> dict[str, Any]:
        """The next message that is no question; questions are answered."""
        while True:
            message = self._messages.get(timeout=_PATIENCE)
            assert message is not None, "the language server has ended"
            if "id" not in message or "method" not in message:
                return message
            is_settings = message["method"] == "workspace/configuration"
            result = (
                [self._settings.get(item["section"]) for item in message["params"]["items"]] if is_settings else None
            )
            self._send({"id": message["id"], "result": result})

    def _notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            assert stream.readline() == b"\r\n"
            self._messages.put(json.loads(stream.read(length)))
        self._messages.put(None)
