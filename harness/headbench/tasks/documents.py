"""From rows to documents: ids, clusters, targets, checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from headbench.errors import ConfigError, DataError
from headbench.tasks.data.base import Row
from headbench.tasks.merge import Merged
from headbench.tasks.schema import TaskConfig
from headbench.tasks.templates import Template, compile_template, is_field, refuse_markers
from headbench.types import Document


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
        self._where = str(merged.path)

    def documents(self, rows: Iterable[Row], taken: frozenset[str]) -> Iterator[Document]:
        """Yield a document for each row, except those used as examples.

        Raises:
            DataError: Two documents have one id, a field is absent, or text holds span markers.
        """
        seen: set[str] = set()
        for number, row in enumerate(rows):
            document = self._document(row, number)
            if document.id in taken:
                continue
            if document.id in seen:
                raise DataError(
                    f"two documents have the id {document.id!r}",
                    where=f"{self._where}, row {number}",
                    mend="let doc_to_id name what tells them apart",
                )
            seen.add(document.id)
            yield document

    def example(self, row: Row) -> dict[str, object]:
        """The fields of a solved example: as a document has them, with its ``id`` and ``target``.

        The id is the one that the document would have, so that it can be left out of the test.
        """
        fields = self._extended(row)
        where = f"{self._where}, an example"
        name = str(self._read(self._id, "doc_to_id", fields, where))
        target = self._read(self._target, "doc_to_target", fields, where)
        return fields | {"id": name, "target": target}

    def _extended(self, row: Row) -> dict[str, object]:
        fields = dict(row.fields)
        for name, template in self._more.items():
            fields[name] = template.text(fields)
        return fields

    def _document(self, row: Row, number: int) -> Document:
        where = f"{self._where}, row {number}"
        fields = self._extended(row)
        refuse_markers(fields, where)
        name = self._read(self._id, "doc_to_id", fields, where)
        cluster: object = fields.get("cluster", name)
        if self._cluster != "cluster":
            cluster = self._read(self._cluster, "doc_to_cluster", fields, where)
        return Document(
            id=str(name),
            cluster=str(cluster),
            fields=fields,
            target=self._read(self._target, "doc_to_target", fields, where),
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
                mend=f"its fields: {', '.join(sorted(fields))}",
            )
        return fields[way]


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
                mend="let one of them stand by itself",
            )
        ordered |= {name: left.pop(name) for name in ready}
    return ordered


def hash_documents(documents: Sequence[Document]) -> str:
    """SHA-256 over everything that the documents hold, images by their content hash."""
    digest = hashlib.sha256()
    for document in documents:
        held = [
            document.id,
            document.cluster,
            document.fields,
            document.target,
            document.images,
        ]
        digest.update(json.dumps(held, sort_keys=True, default=_plain).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _plain(value: object) -> object:
    """JSON for what YAML and tables may hold besides JSON values (sets, dates)."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)
