"""A migration's operation that makes a partitioned table on PostgreSQL, and a plain one elsewhere."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel


class CreatePartitionedModel(CreateModel):
    """CreateModel, partitioned by the ranges of the column `partition_by` on PostgreSQL.

    Partitions are made by `tracking.history.partitions`. With `summarized`, that column gets an
    index that has one entry per range of pages (BRIN), for reading the table in the order of time.
    """

    serialization_expand_args = ["fields", "options", "managers"]

    def __init__(
        self, *args: Any, partition_by: str = "", summarized: bool = False, **kwargs: Any
    ) -> None:
        self.partition_by = partition_by
        self.summarized = summarized
        super().__init__(*args, **kwargs)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        sql, params = schema_editor.table_sql(model)
        column = schema_editor.quote_name(self.partition_by)
        schema_editor.execute(f"{sql} PARTITION BY RANGE ({column})", params or None)
        if self.summarized:
            table = model._meta.db_table
            index = schema_editor.quote_name(f"{table}_{self.partition_by}_brin")
            schema_editor.execute(
                f"CREATE INDEX {index} ON {schema_editor.quote_name(table)} USING brin ({column})"
            )
