//! Everything that a cache of one scope holds, read at once.

use crate::passages::{COLUMNS, passage_from_row};
use crate::{ModelRow, PassageId, PassageRow, ScopeRow, Snapshot, StoreError};

impl Snapshot<'_> {
    /// Every passage of a scope, in the order of their memories. Two seeks each.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn each_passage(&self, scope: ScopeRow, mut each: impl FnMut(PassageRow)) -> Result<(), StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("{COLUMNS} WHERE m.scope_id = ?1 ORDER BY m.id, p.ordinal"))?;
        let mut rows = statement.query([scope.0])?;
        while let Some(row) = rows.next()? {
            each(passage_from_row(row)?);
        }
        Ok(())
    }

    /// Every vector that a model gave a passage of a scope, in the order of their memories. `each` may stop with an error
    /// of its own.
    ///
    /// # Errors
    /// What `each` returns; [`StoreError::BadRow`], and when the file cannot be read.
    pub fn each_vector_of<E: From<StoreError>>(
        &self,
        scope: ScopeRow,
        model: ModelRow,
        mut each: impl FnMut(PassageId, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self
            .conn
            .prepare_cached(
                "SELECT passage.id FROM memory JOIN passage ON passage.memory_id = memory.id
                 WHERE memory.scope_id = ?1 ORDER BY memory.id, passage.ordinal",
            )
            .map_err(StoreError::from)?;
        let mut rows = statement.query([scope.0]).map_err(StoreError::from)?;
        let mut vector = Vec::with_capacity(model.dimension());
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let id = row.get(0).map_err(StoreError::from)?;
            if self.read_vector(model, id, &mut vector)? {
                each(id, &vector)?;
            }
        }
        Ok(())
    }

    /// The scopes that have at least so many memories.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scopes_of(&self, at_least: usize) -> Result<Vec<ScopeRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT scope_id FROM memory GROUP BY scope_id HAVING count(*) >= ?1 ORDER BY scope_id")?;
        let rows = statement.query_map([i64::try_from(at_least).unwrap_or(i64::MAX)], |row| row.get(0))?;
        Ok(rows.map(|row| row.map(ScopeRow)).collect::<Result<_, _>>()?)
    }
}
