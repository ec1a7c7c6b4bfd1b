//! CREATE TABLE of Redshift, translated into that of PostgreSQL.

use super::lexer::{SqlStatement, SqlTokenKind, StatementParser};
use super::pg_session::quote_literal;
use super::protocol::SqlError;

/// A table to be created.
pub struct TableDefinition {
    /// The statement for PostgreSQL.
    pub sql: String,
    /// The name of the table, as written.
    pub name: String,
    /// Whether a query fills the table.
    pub is_filled: bool,
    diststyle: Option<&'static str>,
    distkey: Option<String>,
    sortkey: Vec<String>,
    /// The columns of primary and unique keys, joined by commas.
    unique_keys: Vec<String>,
    /// Referenced tables and columns; `None` means the primary key.
    pub references: Vec<(String, Option<String>)>,
    encode_auto: bool,
    columns: Vec<ColumnDefinition>,
    like_clauses: Vec<String>,
}

/// A column of a table.
pub struct ColumnDefinition {
    name: String,
    /// The definition for PostgreSQL.
    pub sql: String,
    encoding: Option<String>,
    is_primary_key: bool,
}

impl ColumnDefinition {
    /// Returns the definition for PostgreSQL: columns of a primary key are NOT NULL.
    fn full_sql(&self) -> String {
        match self.is_primary_key && !self.sql.contains("NOT NULL") {
            true => format!("{} NOT NULL", self.sql),
            false => self.sql.clone(),
        }
    }
}

/// What is parsed, or the error that Redshift reports.
pub type ParseResult<T> = Result<T, SqlError>;

/// Parses a CREATE TABLE statement.
pub fn parse_create_table(statement: &SqlStatement) -> ParseResult<TableDefinition> {
    let mut parser = statement.parser();
    parser.expect(&["create"])?;
    parser.accept(&["local"]);
    let is_temporary = parser.accept_one_of(&["temp", "temporary"]).is_some();
    parser.expect(&["table"])?;
    let if_not_exists = parser.accept(&["if", "not", "exists"]);
    let name = parser.qualified_name()?;
    let mut table = TableDefinition {
        sql: String::new(),
        name,
        is_filled: false,
        diststyle: None,
        distkey: None,
        sortkey: Vec::new(),
        unique_keys: Vec::new(),
        references: Vec::new(),
        encode_auto: false,
        columns: Vec::new(),
        like_clauses: Vec::new(),
    };
    let has_body = parser.accept(&["("]);
    if has_body {
        table.parse_element(&mut parser)?;
        while !parser.accept(&[")"]) {
            parser.expect(&[","])?;
            table.parse_element(&mut parser)?;
        }
    }
    table.parse_attributes(&mut parser)?;
    table.validate()?;
    let temporary = if is_temporary { "TEMP " } else { "" };
    let exists = if if_not_exists { "IF NOT EXISTS " } else { "" };
    let mut sql = format!("CREATE {temporary}TABLE {exists}{} ", table.name);
    if has_body {
        let mut parts = table.like_clauses.clone();
        parts.extend(table.columns.iter().map(ColumnDefinition::full_sql));
        sql += &format!("({})", parts.join(", "));
    }
    if parser.accept(&["as"]) {
        if if_not_exists {
            return Err(SqlError::syntax("AS"));
        }
        table.is_filled = true;
        sql += &format!(" AS {}", &statement.sql[parser.offset()..]);
    } else if has_body {
        parser.expect_end()?;
    } else {
        return Err(parser.unexpected_token());
    }
    table.sql = sql;
    Ok(table)
}

impl TableDefinition {
    /// Parses a column, a key or a LIKE clause. Keys are not passed on to PostgreSQL.
    fn parse_element(&mut self, parser: &mut StatementParser<'_>) -> ParseResult<()> {
        let constrained = parser.accept(&["constraint"]);
        if constrained {
            parser.name()?;
        }
        if parser.accept(&["like"]) {
            let other = parser.qualified_name()?;
            let including = parser.accept(&["including", "defaults"]);
            let _ = parser.accept(&["excluding", "defaults"]);
            let defaults = if including { " INCLUDING DEFAULTS" } else { "" };
            self.like_clauses
                .push(format!("LIKE {other} INCLUDING CONSTRAINTS{defaults}"));
            return Ok(());
        }
        let primary = parser.accept(&["primary", "key"]);
        if primary || parser.accept(&["unique"]) {
            let names = parser.name_list()?;
            for name in &names {
                let column = self.columns.iter_mut().find(|column| column.name == *name);
                let column = column.ok_or_else(|| unknown_column_error(name))?;
                column.is_primary_key |= primary;
            }
            self.unique_keys.push(names.join(","));
            return Ok(());
        }
        if parser.accept(&["foreign", "key"]) {
            for name in parser.name_list()? {
                let known = self.columns.iter().any(|column| column.name == name);
                known
                    .then_some(())
                    .ok_or_else(|| unknown_column_error(&name))?;
            }
            parser.expect(&["references"])?;
            let reference = parse_reference(parser)?;
            self.references.push(reference);
            return Ok(());
        }
        if constrained {
            return Err(parser.unexpected_token());
        }
        let (mut keys, mut sort) = (Vec::new(), Vec::new());
        let column = parse_column(parser, &mut keys, &mut self.references, &mut sort)?;
        for key in keys {
            self.unique_keys.push(key);
        }
        for kind in sort {
            match kind {
                "distkey" if self.distkey.is_some() => return Err(duplicate_error("DISTKEY")),
                "distkey" => self.distkey = Some(column.name.clone()),
                _ => self.sortkey.push(column.name.clone()),
            }
        }
        self.columns.push(column);
        Ok(())
    }

    fn parse_attributes(&mut self, parser: &mut StatementParser<'_>) -> ParseResult<()> {
        let mut sorted = !self.sortkey.is_empty();
        loop {
            if parser.accept(&["diststyle"]) {
                let styles = ["all", "even", "auto", "key"];
                let style = parser
                    .accept_one_of(&styles)
                    .ok_or_else(|| parser.unexpected_token())?;
                if self.diststyle.replace(style).is_some() {
                    return Err(duplicate_error("DISTSTYLE"));
                }
            } else if parser.accept(&["distkey"]) {
                let names = parser.name_list()?;
                if names.len() > 1 || self.distkey.is_some() {
                    return Err(duplicate_error("DISTKEY"));
                }
                self.distkey = names.into_iter().next();
            } else if parser.accept(&["encode", "auto"]) {
                self.encode_auto = true;
            } else if parser.accept(&["backup"]) {
                let _ = parser
                    .accept_one_of(&["yes", "no"])
                    .ok_or_else(|| parser.unexpected_token())?;
            } else if parser.peek().is_some_and(|t| {
                ["sortkey", "compound", "interleaved"]
                    .iter()
                    .any(|w| t.is(w))
            }) {
                let interleaved =
                    parser.accept_one_of(&["compound", "interleaved"]) == Some("interleaved");
                parser.expect(&["sortkey"])?;
                if std::mem::replace(&mut sorted, true) {
                    return Err(duplicate_error("SORTKEY"));
                }
                if !parser.accept(&["auto"]) {
                    self.sortkey = parser.name_list()?;
                }
                if interleaved && self.sortkey.len() > 8 {
                    return Err(SqlError::unsupported("too many interleaved sort keys"));
                }
            } else {
                return Ok(());
            }
        }
    }

    fn validate(&self) -> ParseResult<()> {
        let wrong = |message: &str| Err(SqlError::new("42P16", message));
        match (self.diststyle, &self.distkey) {
            (Some("key"), None) => return wrong("DISTSTYLE KEY requires a DISTKEY"),
            (Some("all" | "even" | "auto"), Some(_)) => {
                return wrong("DISTKEY can only be used with DISTSTYLE KEY");
            }
            _ => {}
        }
        let known = |name: &String| self.columns.iter().any(|column| column.name == *name);
        let body = !self.columns.is_empty() && self.like_clauses.is_empty();
        for name in self.sortkey.iter().chain(&self.distkey) {
            if body && !known(name) {
                return Err(unknown_column_error(name));
            }
        }
        if self.encode_auto && self.columns.iter().any(|column| column.encoding.is_some()) {
            return wrong("ENCODE AUTO cannot be combined with the encoding of a column");
        }
        Ok(())
    }

    /// Returns the statement that records the attributes that PostgreSQL does not have.
    pub fn catalog_insert_sql(&self) -> String {
        let array = |texts: &mut dyn Iterator<Item = String>, of: &str| {
            let texts: Vec<String> = texts.collect();
            format!("ARRAY[{}]::{of}[]", texts.join(", "))
        };
        let parents = |(name, _): &(String, _)| format!("{}::regclass::oid", quote_literal(name));
        let encoded = self.columns.iter().filter_map(|column| {
            let encode = column.encoding.as_ref()?;
            Some(quote_literal(&format!("{}={encode}", column.name)))
        });
        let style = match self.distkey {
            Some(_) => "key",
            None => self.diststyle.unwrap_or("auto"),
        };
        format!(
            "INSERT INTO redshift.tables VALUES ({}::regclass, {}, {}, {}, {}, {}, {}) \
             ON CONFLICT (id) DO NOTHING",
            quote_literal(&self.name),
            quote_literal(&style.to_uppercase()),
            self.distkey
                .as_deref()
                .map_or("NULL".to_owned(), quote_literal),
            array(
                &mut self.sortkey.iter().map(|name| quote_literal(name)),
                "text"
            ),
            array(
                &mut self.unique_keys.iter().map(|name| quote_literal(name)),
                "text"
            ),
            array(&mut self.references.iter().map(parents), "oid"),
            array(&mut encoded.into_iter(), "text"),
        )
    }
}

fn duplicate_error(what: &str) -> SqlError {
    SqlError::new("42601", format!("multiple {what} definitions"))
}

fn unknown_column_error(name: &str) -> SqlError {
    let message = format!("column \"{name}\" named in key does not exist");
    SqlError::new("42703", message)
}

fn parse_reference(parser: &mut StatementParser<'_>) -> ParseResult<(String, Option<String>)> {
    let name = parser.qualified_name()?;
    let listed = parser.peek().is_some_and(|token| token.is("("));
    let columns = listed.then(|| parser.name_list()).transpose()?;
    Ok((name, columns.map(|names| names.join(","))))
}

/// Parses a column, and appends its keys, references, and sort and distribution attributes to the lists.
pub fn parse_column(
    parser: &mut StatementParser<'_>,
    keys: &mut Vec<String>,
    references: &mut Vec<(String, Option<String>)>,
    sort: &mut Vec<&'static str>,
) -> ParseResult<ColumnDefinition> {
    let start = parser.offset();
    let name = parser.name()?;
    let quoted_name = parser.text_since(start).to_owned();
    let (ty, bytes) = parse_column_type(parser)?;
    let mut column = ColumnDefinition {
        sql: format!("{quoted_name} {ty}"),
        name,
        encoding: None,
        is_primary_key: false,
    };
    if let Some(bytes) = bytes {
        let check = format!("bytes_{}", column.name);
        column.sql +=
            &format!(" CONSTRAINT \"{check}\" CHECK (octet_length({quoted_name}) <= {bytes})");
    }
    while let Some(token) = parser.peek() {
        if token.is(",") || token.is(")") {
            break;
        }
        if parser.accept(&["not", "null"]) {
            column.sql += " NOT NULL";
        } else if parser.accept(&["null"]) {
        } else if parser.accept(&["primary", "key"]) {
            column.is_primary_key = true;
            keys.push(column.name.clone());
        } else if parser.accept(&["unique"]) {
            keys.push(column.name.clone());
        } else if parser.accept(&["references"]) {
            references.push(parse_reference(parser)?);
        } else if let Some(kind) = parser.accept_one_of(&["distkey", "sortkey"]) {
            sort.push(kind);
        } else if parser.accept(&["encode"]) {
            column.encoding = Some(parse_encoding(parser, &ty)?);
        } else if parser.accept(&["collate"]) {
            parser
                .accept_one_of(&["case_sensitive"])
                .ok_or_else(|| parser.unexpected_token())?;
        } else if parser.accept(&["default"]) {
            let from = parser.offset();
            parse_default(parser)?;
            let value = match parser.text_since(from) {
                now if now.eq_ignore_ascii_case("sysdate") => "sysdate()",
                other => other,
            };
            column.sql += &format!(" DEFAULT {value}");
        } else if parser.accept(&["identity"]) {
            column.sql += &parse_identity(parser, "ALWAYS")?;
        } else if parser.accept(&["generated", "by", "default", "as", "identity"]) {
            column.sql += &parse_identity(parser, "BY DEFAULT")?;
        } else {
            return Err(parser.unexpected_token());
        }
    }
    Ok(column)
}

/// Skips an expression, which ends at the next word that can only belong to the column.
fn parse_default(parser: &mut StatementParser<'_>) -> ParseResult<()> {
    let ends = [
        ",",
        ")",
        "not",
        "primary",
        "unique",
        "references",
        "distkey",
        "sortkey",
        "encode",
    ];
    parser.skip_group()?;
    while let Some(token) = parser.peek() {
        if ends.iter().any(|end| token.is(end)) {
            break;
        }
        parser.skip_group()?;
    }
    Ok(())
}

fn parse_identity(parser: &mut StatementParser<'_>, kind: &str) -> ParseResult<String> {
    parser.expect(&["("])?;
    let seed = parser.integer()?;
    parser.expect(&[","])?;
    let step = parser.integer()?;
    parser.expect(&[")"])?;
    Ok(format!(
        " GENERATED {kind} AS IDENTITY (MINVALUE {seed} START {seed} INCREMENT {step})"
    ))
}

fn parse_encoding(parser: &mut StatementParser<'_>, ty: &str) -> ParseResult<String> {
    let encoding = parser.name()?;
    let known = [
        "raw",
        "az64",
        "bytedict",
        "delta",
        "delta32k",
        "lzo",
        "mostly8",
        "mostly16",
        "mostly32",
        "runlength",
        "text255",
        "text32k",
        "zstd",
    ];
    let text = ty.starts_with("VARCHAR");
    let only = match encoding.as_str() {
        "az64" | "delta" | "delta32k" | "mostly8" | "mostly16" | "mostly32" => !text,
        "text255" | "text32k" => text,
        _ => known.contains(&encoding.as_str()),
    };
    only.then(|| encoding.clone()).ok_or_else(|| {
        let message = format!("invalid encoding \"{encoding}\" for a column of type {ty}");
        SqlError::new("42601", message)
    })
}

/// Parses a type, and returns the type of PostgreSQL and the maximum number of bytes of a text.
fn parse_column_type(parser: &mut StatementParser<'_>) -> ParseResult<(String, Option<i64>)> {
    let token = parser.next()?;
    let word = match token.kind {
        SqlTokenKind::Word => token.text.as_str(),
        _ => return Err(SqlError::syntax(&token.text)),
    };
    let plain = match word {
        "smallint" | "int2" => "SMALLINT",
        "integer" | "int" | "int4" => "INTEGER",
        "bigint" | "int8" => "BIGINT",
        "real" | "float4" => "REAL",
        "float" | "float8" => "DOUBLE PRECISION",
        "boolean" | "bool" => "BOOLEAN",
        "date" => "DATE",
        "timestamptz" => "TIMESTAMPTZ",
        "double" => {
            parser.expect(&["precision"])?;
            "DOUBLE PRECISION"
        }
        "timestamp" if parser.accept(&["with", "time", "zone"]) => "TIMESTAMPTZ",
        "timestamp" => {
            parser.accept(&["without", "time", "zone"]);
            "TIMESTAMP"
        }
        "decimal" | "numeric" => {
            let start = parser.offset();
            if parser.peek().is_some_and(|token| token.is("(")) {
                parser.skip_group()?;
                return Ok((format!("NUMERIC{}", parser.text_since(start)), None));
            }
            "NUMERIC(18, 0)"
        }
        "varchar" | "nvarchar" | "text" | "character" | "char" | "nchar" | "bpchar" => {
            return parse_text_type(parser, word);
        }
        _ => {
            let message = format!("type \"{word}\" does not exist");
            return Err(SqlError::new("42704", message));
        }
    };
    Ok((plain.to_owned(), None))
}

fn parse_text_type(
    parser: &mut StatementParser<'_>,
    word: &str,
) -> ParseResult<(String, Option<i64>)> {
    let varying = parser.accept(&["varying"]);
    let fixed = !varying && ["character", "char", "nchar", "bpchar"].contains(&word);
    let (default_length, max_length) = if fixed { (1, 4096) } else { (256, 65535) };
    let mut length = default_length;
    if word != "text" && parser.accept(&["("]) {
        length = match parser.accept(&["max"]) {
            true => max_length,
            false => parser.integer()?,
        };
        parser.expect(&[")"])?;
    }
    if !(1..=max_length).contains(&length) {
        let message = format!("length for type {word} cannot exceed {max_length}");
        return Err(SqlError::new("22023", message));
    }
    let name = if fixed { "CHAR" } else { "VARCHAR" };
    Ok((format!("{name}({length})"), Some(length)))
}
