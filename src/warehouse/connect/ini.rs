//! Parses INI files as Python's `configparser` writes them, and rejects what it would silently read otherwise.

/// The sections and values of a file. A value may be a password, so that none is shown by `Debug`.
#[derive(Default)]
pub(super) struct Ini {
    /// Name of each section, in upper case, and the number of its line.
    pub sections: Vec<(String, usize)>,
    pub entries: Vec<IniEntry>,
}

/// A line with a value.
pub(super) struct IniEntry {
    /// Name of the section, in upper case.
    pub section: String,
    /// Name of the key, in upper case.
    pub key: String,
    /// Value without the quotes around it. It may be empty.
    pub value: String,
    /// Number of the line, from 1.
    pub line: usize,
}

/// Why a line is invalid. The reason never repeats the text of the line, which may be a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IniError {
    pub line: usize,
    pub reason: String,
}

/// Parses the text of a file.
///
/// # Errors
/// Returns the first invalid line.
pub(super) fn parse(text: &str) -> Result<Ini, IniError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ini {
        mut sections,
        mut entries,
    } = Ini::default();
    let mut key_indentation = 0;
    for (index, raw_line) in text.lines().enumerate() {
        let line = index + 1;
        let error = |reason: &str| IniError {
            line,
            reason: reason.to_owned(),
        };
        let content = raw_line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if content.contains(|c: char| c.is_control() && c != '\t') {
            return Err(error("the line has a control character"));
        }
        if let Some(rest) = content.strip_prefix('[') {
            let (name, after) = rest
                .split_once(']')
                .ok_or_else(|| error("missing ] after ["))?;
            if !after.is_empty() {
                return Err(error("unexpected text after the section"));
            }
            let name = name.trim().to_uppercase();
            if let Some((_, first)) = sections.iter().find(|(section, _)| *section == name) {
                let reason = format!("the section begins in line {first} already");
                return Err(IniError { line, reason });
            }
            sections.push((name, line));
            key_indentation = 0;
            continue;
        }
        let indentation = raw_line.len() - raw_line.trim_start().len();
        let section = sections.last().map(|(name, _)| name);
        let is_first = entries.last().map(|entry| &entry.section) != section;
        if !is_first && indentation > key_indentation {
            return Err(error(
                "the line continues the value of the line before, which is not supported",
            ));
        }
        key_indentation = indentation;
        let section = section
            .cloned()
            .ok_or_else(|| error("there is no section such as [CLUSTER] before the line"))?;
        let (key, value) = content
            .split_once(['=', ':'])
            .ok_or_else(|| error("the line has no ="))?;
        let key = key.trim().to_uppercase();
        if key.is_empty() {
            return Err(error("there is no key before ="));
        }
        if let Some(first) = entries
            .iter()
            .find(|entry| entry.section == section && entry.key == key)
        {
            let reason = format!("the key is in line {} already", first.line);
            return Err(IniError { line, reason });
        }
        entries.push(IniEntry {
            value: parse_value(value.trim()).map_err(error)?,
            section,
            key,
            line,
        });
    }
    Ok(Ini { sections, entries })
}

/// Returns a value without quotes and escapes. Existing files are written with and without quotes.
fn parse_value(text: &str) -> Result<String, &'static str> {
    let quoted = ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    // After the quotes around a value, another quote may end what its author meant as a comment.
    let is_closed_before = quoted.is_some_and(|value| value.contains(['\'', '"']));
    if (quoted.is_none() || is_closed_before) && has_comment(text) {
        return Err(
            "there is a comment after the value; move it to a line of its own, or write quotes around a value with # or ;",
        );
    }
    unescape_percent(quoted.unwrap_or(text))
}

/// Returns true if a value contains what its author may have meant as a comment: `#` or `;` after a blank, or a blank after
/// one at the beginning.
fn has_comment(value: &str) -> bool {
    let begins_with_comment = value
        .strip_prefix(['#', ';'])
        .is_some_and(|rest| rest.starts_with(char::is_whitespace));
    let mut words = value.split_whitespace().skip(1);
    begins_with_comment || words.any(|word| word.starts_with(['#', ';']))
}

/// Replaces `%%` by `%`, as `configparser` writes it. It never writes a single one, but users do.
fn unescape_percent(text: &str) -> Result<String, &'static str> {
    let text = text.replace("%%", "\0");
    if text.contains("%(") {
        return Err("%(NAME)s is not supported; write the value itself, and % as %%");
    }
    Ok(text.replace('\0', "%"))
}
