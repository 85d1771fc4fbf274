"""Builds the example site: documents, their manifest and the database, the same on every run.

    python examples/site/generate.py [--out FOLDER]

Without `--out` the committed files beside this script are rewritten.
"""

import argparse
import json
from pathlib import Path

from source.database import build_database
from source.markup import Document, read_collections
from source.office import write_docx, write_xlsx
from source.pdf import write_pdf
from source.plain import write_html, write_markdown, write_text

HERE = Path(__file__).resolve().parent
TEXT_WRITERS = {"md": write_markdown, "txt": write_text, "html": write_html}
FILE_WRITERS = {"pdf": write_pdf, "docx": write_docx, "xlsx": write_xlsx}


def write_documents(documents: list[Document], folder: Path) -> None:
    for document in documents:
        target = folder / document.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if document.format in TEXT_WRITERS:
            text = TEXT_WRITERS[document.format](document)
            target.write_text(text, encoding="utf-8", newline="\n")
        else:
            FILE_WRITERS[document.format](document, target)


def remove_former(manifest: Path, folder: Path) -> None:
    """Removes the files of the last run, and only those, so that a rename leaves no old copy."""
    if manifest.exists():
        for entry in json.loads(manifest.read_text(encoding="utf-8"))["documents"]:
            (folder / entry["path"]).unlink(missing_ok=True)


def write_manifest(documents: list[Document], target: Path) -> None:
    """Lists what the folder must contain, with what the files themselves cannot say."""
    entries = [
        {
            "path": document.path,
            "title": document.title,
            "language": document.language,
            "format": document.format,
            "data_class": document.data_class,
            "date": document.date.isoformat(),
            "office": document.office,
            **({"pages": document.pages} if document.pages else {}),
        }
        for document in documents
    ]
    text = json.dumps({"documents": entries}, ensure_ascii=False, indent=2)
    target.write_text(text + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the example site.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    documents = read_collections(HERE / "source" / "texts")
    remove_former(out / "manifest.json", out / "documents")
    write_documents(documents, out / "documents")
    write_manifest(documents, out / "manifest.json")
    rows = build_database(out / "lindenau.db")
    print(f"{len(documents)} documents, {sum(rows.values())} rows in {len(rows)} tables: {out}")


if __name__ == "__main__":
    main()
