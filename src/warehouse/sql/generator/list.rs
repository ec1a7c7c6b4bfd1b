//! Lays out lists of columns and expressions, and comments, in lines of limited width.

/// The maximum width of a line of a list. It leaves room for what may follow the list in the line.
pub(super) const LIST_WIDTH: usize = 115;

/// The maximum width of a line of a comment.
const COMMENT_WIDTH: usize = 120;

/// Returns items with commas between them, in as few lines as possible. All lines but the first begin with `indent`
/// blanks: the text before the first item has to end with as many.
///
/// ```sql
/// SELECT
///     songplay_id, start_time, user_id, level,
///     song_id, artist_id
/// ```
pub(super) fn wrapped_list<S: AsRef<str>>(
    items: impl IntoIterator<Item = S>,
    indent: usize,
) -> String {
    let mut items: Vec<String> = items
        .into_iter()
        .map(|item| format!("{},", item.as_ref()))
        .collect();
    if let Some(last) = items.last_mut() {
        last.pop();
    }
    let lines = fill(items.iter().map(String::as_str), LIST_WIDTH - indent);
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// Returns items in parentheses after a text, in a line that is indented by `indent` blanks. If the line would be too
/// long, the items have lines of their own, which are indented by 4 blanks more. The indentation of the first line is
/// not included.
///
/// ```sql
/// INSERT INTO users (user_id, level)
/// INSERT INTO songplays (
///     songplay_id, start_time, user_id, level
/// )
/// ```
pub(super) fn list_in_parentheses<S: AsRef<str>>(
    before: &str,
    items: impl IntoIterator<Item = S>,
    indent: usize,
) -> String {
    let items: Vec<S> = items.into_iter().collect();
    let texts: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    let line = format!("{before}({})", texts.join(", "));
    // The width of the last line, if `before` has several.
    let width = line.lines().last().map_or(0, |last| last.chars().count());
    if indent + width <= LIST_WIDTH {
        return line;
    }
    let outer = " ".repeat(indent);
    let list = wrapped_list(texts, indent + 4);
    format!("{before}(\n{outer}    {list}\n{outer})")
}

/// Returns a text as the lines of a comment, each with a newline at its end. An empty line of the text separates
/// paragraphs, and remains, and so do blanks at the beginning of a line.
pub(super) fn comment_lines(text: &str) -> String {
    let mut comment = String::new();
    for paragraph in text.lines() {
        let indent = paragraph.len() - paragraph.trim_start().len();
        let lines = fill(
            paragraph.split_whitespace(),
            COMMENT_WIDTH - "-- ".len() - indent,
        );
        if lines.is_empty() {
            comment.push_str("--\n");
        }
        for line in lines {
            comment.push_str(&format!("-- {:indent$}{line}\n", ""));
        }
    }
    comment
}

/// Returns words in as few lines as possible, each line with as many words as fit into a width.
fn fill<'a>(words: impl IntoIterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_wrapped_between_items() {
        let items = vec!["a".repeat(50); 3];
        let item = &items[0];
        assert_eq!(
            wrapped_list(&items, 4),
            format!("{item}, {item},\n    {item}")
        );
        assert_eq!(wrapped_list(["a", "b"], 4), "a, b");
    }

    #[test]
    fn long_list_has_lines_of_its_own() {
        assert_eq!(list_in_parentheses("t ", ["a", "b"], 0), "t (a, b)");
        let items = vec!["a".repeat(36); 3];
        let list = items.join(", ");
        assert_eq!(list.len(), 112);
        assert_eq!(list_in_parentheses("", &items, 0), format!("({list})"));
        assert_eq!(
            list_in_parentheses("", &items, 2),
            format!(
                "(\n      {}, {},\n      {}\n  )",
                items[0], items[1], items[2]
            )
        );
    }

    #[test]
    fn comment_keeps_its_paragraphs() {
        let word = "a".repeat(60);
        assert_eq!(
            comment_lines(&format!("{word} {word}\n\nb")),
            format!("-- {word}\n-- {word}\n--\n-- b\n")
        );
        assert_eq!(comment_lines("a \\\n    b"), "-- a \\\n--     b\n");
        assert_eq!(comment_lines(""), "");
    }
}
