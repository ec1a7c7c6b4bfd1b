//! What `sparkify replay` makes of texts that a person edited.

use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{MALFORMED_RECORD, event};

use crate::replay::{
    LOG_REJECTS, bad_event, read_lines, replay_fixed, sandbox_with_rejects, write_fixed,
};

#[test]
fn corrected_array_elements_may_keep_what_follows_them() {
    let sandbox = Sandbox::with_input();
    let malformed = MALFORMED_RECORD.trim_end();
    let elements = [&event(3), malformed, &event(4), malformed];
    sandbox.write("logs/b.json", format!("[{}\n]", elements.join(",\n")));
    sandbox
        .run_with(&["--max-rejects", "100%"])
        .assert_success();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    let ends = [",", "]"];
    assert_eq!(lines.len(), ends.len());
    for (n, (line, end)) in lines.iter_mut().zip(ends).enumerate() {
        let text = line["text"].as_str().unwrap();
        assert!(text.trim_end().ends_with(end), "{text}");
        line["text"] = text.replace(malformed, &event(5 + n as u64)).into();
    }
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_success();
    let logs = &read_report(&sandbox.path("replayed"))["logs"];
    assert_eq!((&logs["records"], &logs["kept"]), (&2.into(), &2.into()));
}

#[test]
fn order_of_edited_lines_does_not_matter() {
    let sandbox = sandbox_with_rejects();
    let [mut bad, mut unchanged] = read_lines(&sandbox, LOG_REJECTS).try_into().unwrap();
    bad["text"] = bad_event(3).into();
    // As an edited text this would have a second record that passes.
    unchanged["text"] = format!("{},{}", MALFORMED_RECORD.trim_end(), event(4)).into();
    for key in ["line", "offset"] {
        unchanged[key] = bad[key].clone();
    }
    sandbox.write(LOG_REJECTS, format!("{bad}\n{unchanged}\n"));
    let mut fixed = bad.clone();
    fixed["text"] = event(3).into();
    for lines in [[fixed.clone(), unchanged.clone()], [unchanged, fixed]] {
        write_fixed(&sandbox, &lines);
        replay_fixed(&sandbox).assert_success();
        let logs = &read_report(&sandbox.path("replayed"))["logs"];
        assert_eq!((&logs["kept"], &logs["rejected"]), (&1.into(), &1.into()));
    }
}

#[test]
fn edited_texts_without_records_are_an_error_that_says_so() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines.truncate(1);
    lines[0]["text"] = "[]".into();
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_failure(
        3,
        &["nothing was replayed: the edited texts contain no record"],
    );
}

#[test]
fn a_failed_run_after_the_replayed_one_is_a_warning() {
    let sandbox = sandbox_with_rejects();
    sandbox.run_with(&[]).assert_failure(3, &["dataset.failed"]);
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines[0]["text"] = event(3).into();
    write_fixed(&sandbox, &lines);
    let output = replay_fixed(&sandbox).assert_success_with_warnings();
    let [warning] = output.warnings().try_into().unwrap();
    assert!(warning.starts_with("a later run failed, "), "{warning}");
    assert!(
        warning.ends_with("sparkify rejects dataset.failed"),
        "{warning}"
    );
}
