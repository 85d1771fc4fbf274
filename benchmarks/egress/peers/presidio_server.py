"""Presidio's analyzer and anonymizer behind the HTTP API that their containers have; run in their environment.

    python -m benchmarks.egress.peers.presidio_server PORT

LiteLLM's guardrail speaks it: POST /analyze (text, language, entities, score_threshold, ad_hoc_recognizers …) gives
a list of places, POST /anonymize (text, analyzer_results, anonymizers) the text without them and what was replaced.
The packages are the real ones; the containers' web server is not in them.
"""

import json
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.analyzer_request import AnalyzerRequest

from benchmarks.egress.peers.presidio import analyzer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written one after the other: the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True
    engine: AnalyzerEngine
    anonymizer: Any
    convert: Any

    def do_GET(self) -> None:
        self._answer(200, "Presidio is up")

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            said = self._analyzed(given) if self.path == "/analyze" else self._anonymized(given)
        except ValueError as error:
            self._answer(500, {"error": str(error)})
        else:
            self._answer(200, said)

    def _analyzed(self, given: dict[str, Any]) -> object:
        asked: Any = AnalyzerRequest(given)
        found = self.engine.analyze(
            text=asked.text,
            language=asked.language,
            entities=asked.entities,
            score_threshold=asked.score_threshold,
            ad_hoc_recognizers=asked.ad_hoc_recognizers,
            context=asked.context,
            allow_list=asked.allow_list,
        )
        return [
            {
                "entity_type": each.entity_type,
                "start": each.start,
                "end": each.end,
                "score": each.score,
                "analysis_explanation": None,
            }
            for each in found
        ]

    def _anonymized(self, given: dict[str, Any]) -> object:
        result = self.anonymizer.anonymize(
            text=given["text"],
            analyzer_results=self.convert.analyzer_results_from_json(given["analyzer_results"]),
            operators=self.convert.operators_config_from_json(given.get("anonymizers")),
        )
        return json.loads(result.to_json())

    def _answer(self, status: int, said: object) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """What is asked holds what nobody should read in a log."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves on 127.0.0.1 until it is ended."""
    port = int((arguments or sys.argv[1:])[0])
    _Handler.engine = analyzer("default")
    _Handler.anonymizer = import_module("presidio_anonymizer").AnonymizerEngine()
    _Handler.convert = import_module(
        "presidio_anonymizer.services.app_entities_convertor"
    ).AppEntitiesConvertor
    ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    main()
