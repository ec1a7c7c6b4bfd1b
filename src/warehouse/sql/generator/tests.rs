//! Tests of the generator as a whole.

use super::list::comment_lines;
use super::merge::merge_statements;
use super::verify::verify_statement;
use crate::model::sparkify::SPARKIFY;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::Statement;

#[test]
fn dump() {
    for (dialect, folder) in [(Dialect::Redshift, "redshift"), (Dialect::Postgres, "postgres")] {
        let script = |statements: &[Statement]| -> String {
            statements
                .iter()
                .map(|s| format!("{}{};\n", comment_lines(&s.comment), s.sql))
                .collect::<Vec<_>>()
                .join("\n")
        };
        std::fs::create_dir_all(format!("/tmp/h3/{folder}")).unwrap();
        std::fs::write(format!("/tmp/h3/{folder}/merge.sql"), script(&merge_statements(&SPARKIFY, dialect, ":'run'"))).unwrap();
        std::fs::write(format!("/tmp/h3/{folder}/verify.sql"), script(&[verify_statement(&SPARKIFY, dialect, ":'run'")])).unwrap();
    }
}
