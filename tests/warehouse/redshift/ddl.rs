//! CREATE TABLE and the like: Redshift's words taken apart and said in PostgreSQL's.

use super::backend::literal;
use super::lexer::{Kind, Parser, Statement};
use super::wire::Refusal;

/// A table that is created.
pub struct Table {
    /// How PostgreSQL creates it.
    pub sql: String,
    /// Its name, as it is written.
    pub name: String,
    style: Option<&'static str>,
    distkey: Option<String>,
    sortkey: Vec<String>,
    /// Columns of primary and unique keys, joined by commas.
    keys: Vec<String>,
    /// Other tables that it refers to, with the columns; none are those of the primary key.
    pub references: Vec<(String, Option<String>)>,
    encode_auto: bool,
    columns: Vec<Column>,
    likes: Vec<String>,
}

struct Column {
    name: String,
    sql: String,
    encode: Option<String>,
    key: bool,
}

impl Column {
    /// Columns of a primary key are never null.
    fn whole(&self) -> String {
        match self.key && !self.sql.contains("NOT NULL") {
            true => format!("{} NOT NULL", self.sql),
            false => self.sql.clone(),
        }
    }
}

type Read<T> = Result<T, Refusal>;

/// Reads a CREATE TABLE.
pub fn create_table(statement: &Statement) -> Read<Table> {
    let mut parser = statement.parser();
    parser.expect(&["create"])?;
    parser.take(&["local"]);
    let temporary = parser.one_of(&["temp", "temporary"]).is_some();
    parser.expect(&["table"])?;
    let exists = parser.take(&["if", "not", "exists"]);
    let name = parser.qualified()?;
    let mut table = Table {
        sql: String::new(),
        name,
        style: None,
        distkey: None,
        sortkey: Vec::new(),
        keys: Vec::new(),
        references: Vec::new(),
        encode_auto: false,
        columns: Vec::new(),
        likes: Vec::new(),
    };
    let body = parser.take(&["("]);
    if body {
        table.part(&mut parser)?;
        while !parser.take(&[")"]) {
            parser.expect(&[","])?;
            table.part(&mut parser)?;
        }
    }
    table.attributes(&mut parser)?;
    table.check()?;
    let temporary = if temporary { "TEMP " } else { "" };
    let exists = if exists { "IF NOT EXISTS " } else { "" };
    let mut sql = format!("CREATE {temporary}TABLE {exists}{} ", table.name);
    if body {
        let mut parts = table.likes.clone();
        parts.extend(table.columns.iter().map(Column::whole));
        sql += &format!("({})", parts.join(", "));
    }
    if parser.take(&["as"]) {
        sql += &format!(" AS {}", &statement.sql[parser.here()..]);
    } else if body {
        parser.end()?;
    } else {
        return Err(parser.unexpected());
    }
    table.sql = sql;
    Ok(table)
}

/// Reads `ALTER TABLE t ADD [COLUMN] …`: none if it is another ALTER.
pub fn add_column(statement: &Statement) -> Read<Option<String>> {
    let mut parser = statement.parser();
    parser.expect(&["alter", "table"])?;
    let name = parser.qualified()?;
    if !parser.take(&["add"]) {
        return Ok(None);
    }
    for words in [&["constraint"][..], &["primary"], &["foreign"], &["unique"]] {
        if parser.take(words) {
            return Err(Refusal::unsupported(
                "keys are not added to tables by the stand-in",
            ));
        }
    }
    parser.take(&["column"]);
    let column = column(
        &mut parser,
        &mut Vec::new(),
        &mut Vec::new(),
        &mut Vec::new(),
    )?;
    parser.end()?;
    Ok(Some(format!(
        "ALTER TABLE {name} ADD COLUMN {}",
        column.sql
    )))
}

impl Table {
    /// A column, a key or a table that it is like. Of keys PostgreSQL learns nothing.
    fn part(&mut self, parser: &mut Parser<'_>) -> Read<()> {
        let constrained = parser.take(&["constraint"]);
        if constrained {
            parser.name()?;
        }
        if parser.take(&["like"]) {
            let other = parser.qualified()?;
            let including = parser.take(&["including", "defaults"]);
            let _ = parser.take(&["excluding", "defaults"]);
            let defaults = if including { " INCLUDING DEFAULTS" } else { "" };
            self.likes
                .push(format!("LIKE {other} INCLUDING CONSTRAINTS{defaults}"));
            return Ok(());
        }
        let primary = parser.take(&["primary", "key"]);
        if primary || parser.take(&["unique"]) {
            let names = parser.names()?;
            for name in &names {
                let column = self.columns.iter_mut().find(|column| column.name == *name);
                let column = column.ok_or_else(|| no_column(name))?;
                column.key |= primary;
            }
            self.keys.push(names.join(","));
            return Ok(());
        }
        if parser.take(&["foreign", "key"]) {
            for name in parser.names()? {
                let known = self.columns.iter().any(|column| column.name == name);
                known.then_some(()).ok_or_else(|| no_column(&name))?;
            }
            parser.expect(&["references"])?;
            let reference = reference(parser)?;
            self.references.push(reference);
            return Ok(());
        }
        if constrained {
            return Err(parser.unexpected());
        }
        let (mut keys, mut sort) = (Vec::new(), Vec::new());
        let column = column(parser, &mut keys, &mut self.references, &mut sort)?;
        for key in keys {
            self.keys.push(key);
        }
        for kind in sort {
            match kind {
                "distkey" if self.distkey.is_some() => return Err(twice("DISTKEY")),
                "distkey" => self.distkey = Some(column.name.clone()),
                _ => self.sortkey.push(column.name.clone()),
            }
        }
        self.columns.push(column);
        Ok(())
    }

    fn attributes(&mut self, parser: &mut Parser<'_>) -> Read<()> {
        let mut sorted = !self.sortkey.is_empty();
        loop {
            if parser.take(&["diststyle"]) {
                let styles = ["all", "even", "auto", "key"];
                let style = parser.one_of(&styles).ok_or_else(|| parser.unexpected())?;
                if self.style.replace(style).is_some() {
                    return Err(twice("DISTSTYLE"));
                }
            } else if parser.take(&["distkey"]) {
                let names = parser.names()?;
                if names.len() > 1 || self.distkey.is_some() {
                    return Err(twice("DISTKEY"));
                }
                self.distkey = names.into_iter().next();
            } else if parser.take(&["encode", "auto"]) {
                self.encode_auto = true;
            } else if parser.take(&["backup"]) {
                let _ = parser
                    .one_of(&["yes", "no"])
                    .ok_or_else(|| parser.unexpected())?;
            } else if parser.peek().is_some_and(|t| {
                ["sortkey", "compound", "interleaved"]
                    .iter()
                    .any(|w| t.is(w))
            }) {
                let interleaved =
                    parser.one_of(&["compound", "interleaved"]) == Some("interleaved");
                parser.expect(&["sortkey"])?;
                if std::mem::replace(&mut sorted, true) {
                    return Err(twice("SORTKEY"));
                }
                if !parser.take(&["auto"]) {
                    self.sortkey = parser.names()?;
                }
                if interleaved && self.sortkey.len() > 8 {
                    return Err(Refusal::unsupported("too many interleaved sort keys"));
                }
            } else {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Read<()> {
        let wrong = |message: &str| Err(Refusal::new("42P16", message));
        match (self.style, &self.distkey) {
            (Some("key"), None) => return wrong("DISTSTYLE KEY requires a DISTKEY"),
            (Some("all" | "even" | "auto"), Some(_)) => {
                return wrong("DISTKEY can only be used with DISTSTYLE KEY");
            }
            _ => {}
        }
        let known = |name: &String| self.columns.iter().any(|column| column.name == *name);
        let body = !self.columns.is_empty() && self.likes.is_empty();
        for name in self.sortkey.iter().chain(&self.distkey) {
            if body && !known(name) {
                return Err(no_column(name));
            }
        }
        if self.encode_auto && self.columns.iter().any(|column| column.encode.is_some()) {
            return wrong("ENCODE AUTO cannot be combined with the encoding of a column");
        }
        Ok(())
    }

    /// How the table is remembered with what PostgreSQL does not know of it.
    pub fn remember(&self) -> String {
        let array = |texts: &mut dyn Iterator<Item = String>, of: &str| {
            let texts: Vec<String> = texts.collect();
            format!("ARRAY[{}]::{of}[]", texts.join(", "))
        };
        let parents = |(name, _): &(String, _)| format!("{}::regclass::oid", literal(name));
        let encoded = self.columns.iter().filter_map(|column| {
            let encode = column.encode.as_ref()?;
            Some(literal(&format!("{}={encode}", column.name)))
        });
        let style = match self.distkey {
            Some(_) => "key",
            None => self.style.unwrap_or("auto"),
        };
        format!(
            "INSERT INTO redshift.tables VALUES ({}::regclass, {}, {}, {}, {}, {}, {}) \
             ON CONFLICT (id) DO NOTHING",
            literal(&self.name),
            literal(&style.to_uppercase()),
            self.distkey.as_deref().map_or("NULL".to_owned(), literal),
            array(&mut self.sortkey.iter().map(|name| literal(name)), "text"),
            array(&mut self.keys.iter().map(|name| literal(name)), "text"),
            array(&mut self.references.iter().map(parents), "oid"),
            array(&mut encoded.into_iter(), "text"),
        )
    }
}

fn twice(what: &str) -> Refusal {
    Refusal::new("42601", format!("multiple {what} definitions"))
}

fn no_column(name: &str) -> Refusal {
    let message = format!("column \"{name}\" named in key does not exist");
    Refusal::new("42703", message)
}

fn reference(parser: &mut Parser<'_>) -> Read<(String, Option<String>)> {
    let name = parser.qualified()?;
    let listed = parser.peek().is_some_and(|token| token.is("("));
    let columns = listed.then(|| parser.names()).transpose()?;
    Ok((name, columns.map(|names| names.join(","))))
}

/// Reads a column: its keys, what it refers to, and whether it sorts or distributes go to lists.
fn column(
    parser: &mut Parser<'_>,
    keys: &mut Vec<String>,
    references: &mut Vec<(String, Option<String>)>,
    sort: &mut Vec<&'static str>,
) -> Read<Column> {
    let start = parser.here();
    let name = parser.name()?;
    let written = parser.since(start).to_owned();
    let (ty, bytes) = column_type(parser)?;
    let mut column = Column {
        sql: format!("{written} {ty}"),
        name,
        encode: None,
        key: false,
    };
    if let Some(bytes) = bytes {
        let check = format!("bytes_{}", column.name);
        column.sql +=
            &format!(" CONSTRAINT \"{check}\" CHECK (octet_length({written}) <= {bytes})");
    }
    while let Some(token) = parser.peek() {
        if token.is(",") || token.is(")") {
            break;
        }
        if parser.take(&["not", "null"]) {
            column.sql += " NOT NULL";
        } else if parser.take(&["null"]) {
        } else if parser.take(&["primary", "key"]) {
            column.key = true;
            keys.push(column.name.clone());
        } else if parser.take(&["unique"]) {
            keys.push(column.name.clone());
        } else if parser.take(&["references"]) {
            references.push(reference(parser)?);
        } else if let Some(kind) = parser.one_of(&["distkey", "sortkey"]) {
            sort.push(kind);
        } else if parser.take(&["encode"]) {
            column.encode = Some(encoding(parser, &ty)?);
        } else if parser.take(&["collate"]) {
            parser
                .one_of(&["case_sensitive"])
                .ok_or_else(|| parser.unexpected())?;
        } else if parser.take(&["default"]) {
            let from = parser.here();
            default(parser)?;
            let value = match parser.since(from) {
                now if now.eq_ignore_ascii_case("sysdate") => "sysdate()",
                other => other,
            };
            column.sql += &format!(" DEFAULT {value}");
        } else if parser.take(&["identity"]) {
            column.sql += &identity(parser, "ALWAYS")?;
        } else if parser.take(&["generated", "by", "default", "as", "identity"]) {
            column.sql += &identity(parser, "BY DEFAULT")?;
        } else {
            return Err(parser.unexpected());
        }
    }
    Ok(column)
}

/// An expression: until the next word that can only be of the column.
fn default(parser: &mut Parser<'_>) -> Read<()> {
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
    parser.skip()?;
    while let Some(token) = parser.peek() {
        if ends.iter().any(|end| token.is(end)) {
            break;
        }
        parser.skip()?;
    }
    Ok(())
}

fn identity(parser: &mut Parser<'_>, kind: &str) -> Read<String> {
    parser.expect(&["("])?;
    let seed = parser.number()?;
    parser.expect(&[","])?;
    let step = parser.number()?;
    parser.expect(&[")"])?;
    Ok(format!(
        " GENERATED {kind} AS IDENTITY (MINVALUE {seed} START {seed} INCREMENT {step})"
    ))
}

fn encoding(parser: &mut Parser<'_>, ty: &str) -> Read<String> {
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
        Refusal::new("42601", message)
    })
}

/// A type as PostgreSQL has it, and the most bytes of a text.
fn column_type(parser: &mut Parser<'_>) -> Read<(String, Option<i64>)> {
    let token = parser.next()?;
    let word = match token.kind {
        Kind::Word => token.text.as_str(),
        _ => return Err(Refusal::syntax(&token.text)),
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
        "timestamp" if parser.take(&["with", "time", "zone"]) => "TIMESTAMPTZ",
        "timestamp" => {
            parser.take(&["without", "time", "zone"]);
            "TIMESTAMP"
        }
        "decimal" | "numeric" => {
            let start = parser.here();
            if parser.peek().is_some_and(|token| token.is("(")) {
                parser.skip()?;
                return Ok((format!("NUMERIC{}", parser.since(start)), None));
            }
            "NUMERIC(18, 0)"
        }
        "varchar" | "nvarchar" | "text" | "character" | "char" | "nchar" | "bpchar" => {
            return text_type(parser, word);
        }
        _ => {
            let message = format!("type \"{word}\" does not exist");
            return Err(Refusal::new("42704", message));
        }
    };
    Ok((plain.to_owned(), None))
}

fn text_type(parser: &mut Parser<'_>, word: &str) -> Read<(String, Option<i64>)> {
    let varying = parser.take(&["varying"]);
    let fixed = !varying && ["character", "char", "nchar", "bpchar"].contains(&word);
    let (usual, most) = if fixed { (1, 4096) } else { (256, 65535) };
    let mut length = usual;
    if word != "text" && parser.take(&["("]) {
        length = match parser.take(&["max"]) {
            true => most,
            false => parser.number()?,
        };
        parser.expect(&[")"])?;
    }
    if !(1..=most).contains(&length) {
        let message = format!("length for type {word} cannot exceed {most}");
        return Err(Refusal::new("22023", message));
    }
    let name = if fixed { "CHAR" } else { "VARCHAR" };
    Ok((format!("{name}({length})"), Some(length)))
}
