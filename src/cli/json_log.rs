//! Prints the events of the log as JSON, one object a line.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::stderr::eprint_line;

/// What the lines say of the run. It is global because a process has one run.
static RUN: Mutex<RunState> = Mutex::new(RunState {
    id: None,
    stage: None,
});

struct RunState {
    id: Option<String>,
    /// The stage that was entered last.
    stage: Option<&'static str>,
}

fn lock_run() -> MutexGuard<'static, RunState> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the id of the run to all further lines.
pub(super) fn set_run(id: &str) {
    lock_run().id = Some(id.to_owned());
}

/// Prints events as objects with the keys `time`, `level`, `message`, `stage` and `run`, and the values of the event and of
/// the stages around it.
pub(super) struct JsonLog;

impl<S> Layer<S> for JsonLog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            lock_run().stage = Some(span.name());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        let mut own = Fields::default();
        event.record(&mut own);
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        line.add("time", time.into());
        line.add("level", event.metadata().level().as_str().into());
        if let Some(message) = own.take("message") {
            line.add("message", message);
        }
        let spans = context.event_scope(event).into_iter();
        let spans: Vec<_> = spans.flat_map(|scope| scope.from_root()).collect();
        let run = lock_run();
        // The error that ends a command comes after its last stage.
        let stage = spans.last().map(|span| span.name()).or(run.stage);
        line.add("stage", stage.into());
        line.add(
            "run",
            own.take("run").or(run.id.clone().map(Value::from)).into(),
        );
        drop(run);
        for span in &spans {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.extend(fields);
            }
        }
        line.extend(&own);
        eprint_line(&line.to_json());
    }
}

/// Names and values, in the order in which they are printed.
#[derive(Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Adds a value, or replaces the one of the same name.
    fn add(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn extend(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            self.add(name, value.clone());
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1)
    }

    fn to_json(&self) -> String {
        let pairs = self.0.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
            .collect();
        let mut json = String::new();
        for c in format!("{{{}}}", pairs.join(",")).chars() {
            // JSON may contain other control characters than those of ASCII, but they must not control the terminal.
            match c.is_control() {
                true => json.push_str(&format!("\\u{:04x}", u32::from(c))),
                false => json.push(c),
            }
        }
        json
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value.into());
    }
}
