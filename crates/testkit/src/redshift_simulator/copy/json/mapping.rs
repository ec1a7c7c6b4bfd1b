//! Maps the keys of JSON objects to columns.

use std::collections::HashMap;

use crate::redshift_simulator::copy::clause::JsonMapping;
use crate::redshift_simulator::copy::json::path_file::{PathStep, parse_path_file};
use crate::redshift_simulator::copy::objects::{RegionBuckets, s3_error};
use crate::redshift_simulator::protocol::SqlError;
use crate::redshift_simulator::target_column::TargetColumn;

/// The keys of an object that are loaded, and the columns that they fill.
pub struct FieldMapping {
    /// The keys, and their positions among the members that are kept.
    pub keys: HashMap<String, usize>,
    pub ignores_case: bool,
    /// For each column, the position of its member, and the steps within its value.
    pub fields: Vec<(usize, Vec<PathStep>)>,
}

impl FieldMapping {
    /// Creates the mapping for these columns; a JSONPaths file is read.
    pub fn new(
        mapping: &JsonMapping,
        columns: &[TargetColumn],
        buckets: RegionBuckets<'_>,
    ) -> Result<Self, SqlError> {
        let ignores_case = *mapping == JsonMapping::AutoIgnoreCase;
        if let JsonMapping::Paths(url) = mapping {
            let bytes = buckets.read(url).map_err(|m| s3_error(url, &m))?;
            if let Some(paths) = parse_path_file(&bytes).map_err(|m| s3_error(url, &m))? {
                return Self::from_paths(paths, columns);
            }
        }
        let name = |column: &TargetColumn| vec![PathStep::Key(column.name.clone())];
        let mut mapping = Self::from_paths(columns.iter().map(name).collect(), columns)?;
        mapping.ignores_case = ignores_case;
        Ok(mapping)
    }

    fn from_paths(paths: Vec<Vec<PathStep>>, columns: &[TargetColumn]) -> Result<Self, SqlError> {
        if paths.len() != columns.len() {
            let message = format!(
                "Number of jsonpaths and the number of columns should match. JSONPath size: {}, \
                 Number of columns in table or column list: {}",
                paths.len(),
                columns.len()
            );
            return Err(SqlError::new("XX000", message));
        }
        let (mut keys, mut fields) = (HashMap::new(), Vec::new());
        for mut path in paths {
            let rest = path.split_off(1);
            if let Some(PathStep::Key(key)) = path.pop() {
                let next = keys.len();
                fields.push((*keys.entry(key).or_insert(next), rest));
            }
        }
        Ok(Self {
            keys,
            ignores_case: false,
            fields,
        })
    }

    /// Returns the position of the member with this key.
    pub fn position(&self, key: &str) -> Option<usize> {
        match self.ignores_case {
            true => self.keys.get(&key.to_lowercase()).copied(),
            false => self.keys.get(key).copied(),
        }
    }
}
