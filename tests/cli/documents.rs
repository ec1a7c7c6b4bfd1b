//! The documents: the generated CLI reference, the quoted messages, the links and the length of the README.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use testkit::cli::sandbox::Sandbox;

use crate::help;

/// The largest number of lines that the README may have.
const MAX_README_LINES: usize = 220;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Returns the paths of all documents.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![PathBuf::from("README.md")];
    documents.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from));
    let folders = ["benches/comparison", "fixtures", "fuzz"];
    documents.extend(folders.map(|folder| Path::new(folder).join("README.md")));
    documents.extend(files_below("docs", "md"));
    documents
}

/// Returns the files below a folder whose names end in `extension`, sorted.
fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(found_extension) if found_extension == extension => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn cli_reference_matches_the_help() {
    assert_generated("docs/cli.md", &cli_reference());
}

#[test]
fn data_dictionary_is_the_markdown_of_the_schema() {
    let markdown = Sandbox::new().exec(&["schema", "--format", "markdown"]);
    assert_generated("docs/data-dictionary.md", &markdown.assert_success().stdout);
}

/// Asserts that a document is the output of the program. With `UPDATE_DOCS` it is rewritten first.
#[track_caller]
fn assert_generated(document: &str, expected: &str) {
    let path = repository().join(document);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let actual = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{document} is not what the binary prints; UPDATE_DOCS=1 cargo test --test cli documents \
         rewrites it"
    );
}

/// Returns the content of docs/cli.md.
fn cli_reference() -> String {
    let mut text = "\
# CLI reference

This page has the long help of every command. It is generated from the program: do not edit it, but run
`UPDATE_DOCS=1 cargo test --test cli documents`. `sparkify COMMAND -h` prints a short version.
"
    .to_owned();
    let sandbox = Sandbox::new();
    for command in help::all_commands(&sandbox) {
        let help = help::long_help(&sandbox, &command);
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let (summary, details) = lines.split_first().unwrap();
        let name = [&["sparkify".to_owned()], &command[..]].concat().join(" ");
        let details = details.join("\n");
        let details = details.trim();
        write!(
            text,
            "\n## {name}\n\n{summary}.\n\n```text\n{details}\n```\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= MAX_README_LINES, "README.md has {lines} lines");
}

/// Each path of the repository that a document names exists, so that a rename cannot break an example.
#[test]
fn paths_in_documents_exist() {
    let roots = [
        ".ci/",
        "benches/",
        "crates/",
        "docs/",
        "examples/",
        "fixtures/",
        "fuzz/",
        "infra/",
        "sql/",
        "src/",
        "tests/",
    ];
    let mut missing = BTreeSet::new();
    // The change log also names what was renamed.
    let is_current = |path: &PathBuf| !path.ends_with("CHANGELOG.md");
    for document in documents().into_iter().filter(is_current) {
        let text = read(&document);
        let is_path_byte = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
        for word in text.split_inclusive(|c| !is_path_byte(c)) {
            // Of a glob, only the folder that it begins with.
            let fixed = word.split(['*', '[']).next().unwrap_or_default();
            let folder = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
            let is_glob = word.contains(['*', '[']);
            let path = if is_glob { folder } else { word };
            let path = path.trim_end_matches(|c| !is_path_byte(c));
            let path = path.trim_end_matches(['.', '/', '-']);
            let is_placeholder = path.contains("NAME") || path.contains("..");
            if roots.iter().any(|root| path.starts_with(root)) && !is_placeholder {
                let created = ["fuzz/corpus", "fuzz/artifacts"];
                if !repository().join(path).exists() && !created.contains(&path) {
                    missing.insert(format!("{}: {path}", document.display()));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "documents name absent paths: {missing:#?}"
    );
}

/// Each source file that ARCHITECTURE.md names by its last component exists.
#[test]
fn files_in_the_code_map_exist() {
    let names: BTreeSet<String> = files_below("src", "rs")
        .into_iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let text = read("ARCHITECTURE.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let absent: Vec<_> = quoted
        .filter(|name| name.ends_with(".rs"))
        .filter(|name| !names.iter().any(|path| path.ends_with(&format!("/{name}"))))
        .collect();
    assert!(
        absent.is_empty(),
        "ARCHITECTURE.md names absent files: {absent:?}"
    );
}

/// Each message in the first column of the tables in troubleshooting.md is one that the program prints.
#[test]
fn quoted_messages_occur_in_the_source() {
    let rust = files_below("src", "rs").into_iter();
    let sources = rust.chain(files_below("sql", "sql"));
    let sources: Vec<String> = sources.map(|path| join_literals(&read(path))).collect();
    let document = read("docs/troubleshooting.md");
    let messages = quoted_messages(&document);
    assert!(messages.len() > 30, "{messages:?}");
    let is_printed = |message: &&String| {
        let pieces = literal_pieces(message);
        assert!(!pieces.is_empty(), "nothing but placeholders: {message}");
        let has_all = |source: &String| pieces.iter().all(|piece| source.contains(piece));
        sources.iter().any(has_all)
    };
    let missing: Vec<_> = messages.iter().filter(|m| !is_printed(m)).collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md quotes messages that no file of src/ or sql/ has: {missing:#?}"
    );
}

/// Returns the texts in backticks in the first column of the tables of a document.
fn quoted_messages(document: &str) -> Vec<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.replace("\\|", "\u{0}"));
    let cells = cells.filter_map(|row| Some(row.split_once('|')?.0.replace('\u{0}', "|")));
    let in_backticks = |cell: String| {
        let parts = cell.split('`').map(str::to_owned).collect::<Vec<_>>();
        parts.into_iter().skip(1).step_by(2)
    };
    cells.flat_map(in_backticks).collect()
}

/// Returns the parts of a message between placeholders, which are words in capitals and `...`.
fn literal_pieces(message: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut pieces = vec![String::new()];
    for part in message
        .replace("...", "\u{0}")
        .split_inclusive(|c| !is_word(c))
    {
        let word = part.trim_end_matches(|c| !is_word(c));
        let is_placeholder = word.starts_with(|c: char| c.is_ascii_uppercase())
            && !word.contains(|c: char| c.is_ascii_lowercase());
        if is_placeholder {
            pieces.push(part[word.len()..].to_owned());
        } else if let Some(current) = pieces.last_mut() {
            current.push_str(part);
        }
    }
    let pieces = pieces.iter().flat_map(|piece| piece.split('\u{0}'));
    let pieces = pieces.map(|piece| piece.trim().to_owned());
    pieces.filter(|piece| piece.contains(is_word)).collect()
}

/// Returns source text with the string literals joined that `\` or `concat!` continue on the next line, and
/// without the escapes of quotes.
fn join_literals(source: &str) -> String {
    let mut joined = String::with_capacity(source.len());
    for line in source.lines() {
        let line = match joined.strip_suffix('\\') {
            Some(before) => {
                joined.truncate(before.len());
                line.trim_start()
            }
            None => line,
        };
        match (
            joined.strip_suffix("\",\n"),
            line.trim_start().strip_prefix('"'),
        ) {
            (Some(before), Some(literal)) => {
                joined.truncate(before.len());
                joined.push_str(literal);
            }
            _ => joined.push_str(line),
        }
        if !line.ends_with('\\') {
            joined.push('\n');
        }
    }
    joined.replace("\\\"", "\"")
}

#[test]
fn message_quotes_are_split_at_placeholders() {
    let pieces = |message| literal_pieces(message).join("|");
    assert_eq!(pieces("cannot list URL"), "cannot list");
    assert_eq!(pieces("no KIND in PATH"), "no|in");
    assert_eq!(pieces("run RUN was loaded, ..."), "run|was loaded,");
    assert_eq!(pieces("`--config FILE` of S3"), "`--config|` of");
    let source = "format!(\n    \"cannot read \\\n     {path}: \\\"{name}\\\"\"\n)";
    assert!(join_literals(source).contains("cannot read {path}: \"{name}\""));
    let source = "concat!(\n    \"cannot \",\n    \"read\"\n)";
    assert!(join_literals(source).contains("\"cannot read\""));
    let table = "| `a` b | `c` |\n|---|---|\n| `d \\| e`, `f` | g |";
    assert_eq!(quoted_messages(table), ["a", "d | e", "f"]);
}

#[test]
fn relative_links_resolve() {
    let mut broken = Vec::new();
    let mut links = 0;
    for document in documents() {
        let document = repository().join(document);
        for target in link_targets(&read(&document)) {
            links += 1;
            if let Err(reason) = resolve_link(&document, &target) {
                broken.push(format!("{}: {target}: {reason}", document.display()));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Returns the relative targets of the inline links of a Markdown document.
fn link_targets(document: &str) -> Vec<String> {
    let text = without_code(document).join("\n");
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let relative = targets.filter(|target| !target.contains("://") && !target.contains("mailto:"));
    relative.map(str::to_owned).collect()
}

/// Returns the lines of a Markdown document outside fenced code, without code spans.
fn without_code(document: &str) -> Vec<String> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join("`"));
        }
    }
    lines
}

fn resolve_link(document: &Path, target: &str) -> Result<(), String> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let path = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    if !path.exists() {
        return Err("there is no such file".to_owned());
    }
    match anchor {
        Some(anchor) if !heading_anchors(&read(&path)).contains(anchor) => {
            Err("there is no such heading".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns the anchors of the headings of a Markdown document, as GitHub makes them.
fn heading_anchors(document: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut anchors = BTreeSet::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let level = line.chars().take_while(|&c| c == '#').count();
        let Some(title) = line[level..].strip_prefix(' ') else {
            continue;
        };
        if is_code || !(1..=6).contains(&level) {
            continue;
        }
        let slug = slug(title);
        let count = counts.entry(slug.clone()).or_default();
        anchors.insert(match *count {
            0 => slug,
            n => format!("{slug}-{n}"),
        });
        *count += 1;
    }
    anchors
}

/// Returns the anchor of a title: in lower case, with hyphens for spaces and without punctuation.
fn slug(title: &str) -> String {
    let kept = title.trim().to_lowercase();
    let kept = kept.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect()
}

#[test]
fn anchors_follow_the_rule_of_github() {
    let document = "# A `b_c`: d, e\n```sh\n# no heading\n```\n## Same\n## Same\n#hash\n";
    let anchors = heading_anchors(document);
    let anchors: Vec<&str> = anchors.iter().map(String::as_str).collect();
    assert_eq!(anchors, ["a-b_c-d-e", "same", "same-1"]);
    let document = "[a](b.md#c) `[d](e)` [f](https://g)\n```\n[h](i)\n```\n![j](k.svg)";
    assert_eq!(link_targets(document), ["b.md#c", "k.svg"]);
}
