"""From rows to documents: ids, clusters, targets, checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from headbench.errors import ConfigError, DataError
from headbench.nouns import Document
from headbench.tasks.classes import Classes, label_text
from headbench.tasks.data.source import DataRow
from headbench.tasks.merge import Merged
from headbench.tasks.schema import TaskConfig
from headbench.tasks.templates import Template, compile_template, is_field, refuse_markers


class Shaper:
    """Gives rows the shape of documents, as a task's ``doc_to_...`` keys say.

    Args:
        config: The task.
        merged: Its file, for line numbers.
    """

    def __init__(self, config: TaskConfig, merged: Merged) -> None:
        def ready(key: str, source: str) -> Template | str:
            where = merged.where((key,))
            return source if is_field(source) else compile_template(source, where)

        self._id = ready("doc_to_id", config.doc_to_id)
        self._cluster = ready("doc_to_cluster", config.doc_to_cluster)
        self._target = ready("doc_to_target", config.doc_to_target)
        self._more = _ordered(
            {
                name: compile_template(source, merged.where(("doc_fields", name)), bare=False)
                for name, source in config.doc_fields.items()
            }
        )
        self._classes = Classes(
            config.target_classes, config.target_left_out, merged.where(("target_classes",))
        )
        self._reads = _read_names(config, merged)
        self._where = str(merged.path)

    def documents(self, rows: Iterable[DataRow], taken: frozenset[str]) -> Iterator[Document]:
        """Yield a document for each row, except those used as examples.

        Raises:
            DataError: Two documents have one id, a field is absent, or text holds span markers.
        """
        seen: set[str] = set()
        clusters: dict[str, str] = {}
        for number, row in enumerate(rows):
            if self.left_out(row, number) is not None:
                continue
            document = self.clustered(self.document(row, number), clusters)
            if document.id in taken:
                continue
            if document.id in seen:
                raise DataError(
                    f"two documents have the id {document.id!r}",
                    where=self._place(row, number),
                    hint="let doc_to_id name what tells them apart",
                )
            seen.add(document.id)
            yield document

    def clustered(self, document: Document, clusters: dict[str, str]) -> Document:
        """One cluster for documents that ask the same, where each would have one of its own.

        Args:
            document: One document.
            clusters: What is asked -> the cluster of the first that asked it; filled here.
        """
        asked = self.asked(document) if document.cluster == document.id else None
        if asked is None:
            return document
        return replace(document, cluster=clusters.setdefault(asked, document.cluster))

    def examples(self, rows: Iterable[DataRow]) -> list[dict[str, object]]:
        """The fields of solved examples: as documents have them, with ``id`` and ``target``.

        The id is the one that the document would have, so that it can be left out of the test.
        """
        return [
            self._example(row, number)
            for number, row in enumerate(rows)
            if self.left_out(row, number) is None
        ]

    def _example(self, row: DataRow, number: int) -> dict[str, object]:
        fields = self._extended(row)
        where = self._place(row, number)
        name = str(self._read(self._id, "doc_to_id", fields, where))
        target = self._read(self._target, "doc_to_target", fields, where)
        return fields | {"id": name, "target": self._classes.of(target, where)}

    def left_out(self, row: DataRow, number: int) -> str | None:
        """The label for which a row is left out, or ``None``."""
        if not self._classes.lists_left_out:
            return None
        where = self._place(row, number)
        target = self._read(self._target, "doc_to_target", self._extended(row), where)
        return label_text(target) if self._classes.leaves_out(target) else None

    def asked(self, document: Document) -> str | None:
        """Digest of what the prompts read of a document, or ``None`` where they read nothing."""
        fields, images = document.fields, sorted(document.images.values())
        read = [[name, fields[name]] for name in self._reads if name in fields]
        if not read and not images:
            return None
        return hashlib.sha256(json.dumps([read, images], default=_plain).encode()).hexdigest()

    def _place(self, row: DataRow, number: int) -> str:
        return f"{self._where}, {row.place or f'row {number + 1}'}"

    def _extended(self, row: DataRow) -> dict[str, object]:
        fields = dict(row.fields)
        for name, template in self._more.items():
            fields[name] = template.text(fields)
        return fields

    def document(self, row: DataRow, number: int) -> Document:
        """One row as a document.

        Raises:
            DataError: A field is absent, a label is unknown, or text holds span markers.
        """
        where = self._place(row, number)
        fields = self._extended(row)
        refuse_markers(fields, where)
        name = self._read(self._id, "doc_to_id", fields, where)
        cluster: object = fields.get("cluster", name)
        if self._cluster != "cluster":
            cluster = self._read(self._cluster, "doc_to_cluster", fields, where)
        target = self._read(self._target, "doc_to_target", fields, where)
        return Document(
            id=str(name),
            cluster=str(cluster),
            fields=fields,
            target=self._classes.of(target, where),
            images=row.images,
        )

    def _read(
        self, way: Template | str, key: str, fields: Mapping[str, object], where: str
    ) -> object:
        if isinstance(way, Template):
            return way.text(fields)
        if way not in fields:
            raise DataError(
                f"the row has no field {way!r}",
                where=f"{where}, {key}",
                hint=f"its fields: {', '.join(sorted(fields))}",
            )
        return fields[way]


def _read_names(config: TaskConfig, merged: Merged) -> tuple[str, ...]:
    """Fields of a document that the prompts of its steps read."""
    names: set[str] = set()
    for step in config.all_steps:
        choices = step.doc_to_choice
        templates = [step.doc_to_text, step.description, step.system or ""]
        templates += [] if choices is None or isinstance(choices, str) else choices
        for source in templates:
            names |= compile_template(source, merged.where(("doc_to_text",))).names
        names |= {name for name in (step.for_each, choices) if isinstance(name, str)}
    return tuple(sorted(names - {"item", "fewshot", "earlier", "target"}))


def _ordered(templates: Mapping[str, Template]) -> dict[str, Template]:
    """Templates in an order in which each comes after those that it reads.

    Raises:
        ConfigError: They read each other in a circle.
    """
    ordered: dict[str, Template] = {}
    left = dict(templates)
    while left:
        ready = [name for name, made in left.items() if not made.names & (left.keys() - {name})]
        if not ready:
            names = ", ".join(sorted(left))
            raise ConfigError(
                f"these fields read each other in a circle: {names}",
                where=next(iter(left.values())).where,
                hint="let one of them stand by itself",
            )
        ordered |= {name: left.pop(name) for name in ready}
    return ordered


def hash_documents(documents: Sequence[Document]) -> str:
    """SHA-256 over everything that the documents hold, images by their content hash."""
    digest = hashlib.sha256()
    for document in documents:
        contents = [
            document.id,
            document.cluster,
            document.fields,
            document.target,
            document.images,
        ]
        digest.update(json.dumps(contents, sort_keys=True, default=_plain).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _plain(value: object) -> object:
    """JSON for what YAML and tables may hold besides JSON values (sets, dates)."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)
