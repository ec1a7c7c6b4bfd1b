//! Holds the connection parameters of the sources as text, and which source has set each.

use std::collections::BTreeMap;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::parameter::{PARAMETERS, Parameter, Support, find_parameter, similar_name};
use super::value_source::{ValueSource, ValueSources};
use crate::error::{Error, Result};

/// The variable with the URL of the warehouse.
pub(super) const WAREHOUSE_VARIABLE: &str = "SPARKIFY_WAREHOUSE";

/// The value of a parameter. It may be a password.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Name of the parameter as its source writes it, for messages.
    pub name: &'static str,
    value: SecretString,
    pub source: ValueSource,
}

impl Setting {
    pub(super) fn new(name: &'static str, value: &str, source: ValueSource) -> Self {
        Self {
            name,
            value: SecretString::from(value),
            source,
        }
    }

    /// Returns the value as text.
    pub(super) fn text(&self) -> &str {
        self.value.expose_secret()
    }

    /// Returns true if the value is in the URL of the warehouse.
    pub(super) fn is_in_url(&self) -> bool {
        matches!(
            self.source,
            ValueSource::Flag(_) | ValueSource::Variable(WAREHOUSE_VARIABLE)
        )
    }

    /// Returns the error for an invalid value. The reason follows the name of the parameter, and must not repeat a
    /// value that may be part of a password.
    pub(super) fn invalid(&self, reason: &str) -> Error {
        invalid(&self.source, &format!("{} {reason}", self.name))
    }

    fn parse<T: FromStr<Err = String>>(&self) -> Result<T> {
        self.text()
            .parse()
            .map_err(|reason: String| self.invalid(&reason))
    }
}

/// Returns the error for something invalid in a source.
pub(super) fn invalid(source: &ValueSource, reason: &str) -> Error {
    let message = match source {
        ValueSource::Flag(flag) => format!("invalid {flag} URL"),
        ValueSource::Variable(WAREHOUSE_VARIABLE) => {
            format!("invalid URL in {WAREHOUSE_VARIABLE}")
        }
        ValueSource::Variable(_) => "invalid environment variable".to_owned(),
        ValueSource::FileLine { .. } => format!("invalid setting in {source}"),
    };
    Error::usage(message).with_reason(reason)
}

fn unknown_parameter(name: &str, source: &ValueSource) -> Error {
    let names = PARAMETERS.iter().map(|spec| spec.name);
    let error = invalid(source, &format!("unknown parameter '{name}'"));
    match (similar_name(name, names), source) {
        (Some(similar), _) => error.with_hint(format!("did you mean {similar}?")),
        (None, ValueSource::FileLine { .. }) => {
            error.with_hint("write NAME=VALUE without blanks, NAME as libpq has it")
        }
        (None, _) => error.with_hint("it must be a connection parameter of libpq"),
    }
}

/// The parameters that one or several sources set.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(BTreeMap<Parameter, Setting>);

impl Settings {
    /// Reads the environment variables of libpq.
    ///
    /// # Errors
    /// Returns an error if a variable asks for something that is not supported.
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut settings = Self::default();
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        for spec in PARAMETERS {
            let Some(variable) = spec.variable else {
                continue;
            };
            if let Some(value) = env(variable) {
                let setting = Setting::new(variable, &value, ValueSource::Variable(variable));
                settings.set_supported(spec.support, setting)?;
            }
        }
        Ok(settings)
    }

    /// Sets a parameter. A later value replaces an earlier one.
    pub(super) fn set(&mut self, parameter: Parameter, setting: Setting) {
        self.0.insert(parameter, setting);
    }

    /// Sets the parameter with this name of libpq.
    ///
    /// # Errors
    /// Returns an error if there is no such parameter, or it is not supported.
    pub(super) fn set_named(&mut self, name: &str, value: &str, source: ValueSource) -> Result<()> {
        let Some(spec) = find_parameter(name) else {
            return Err(unknown_parameter(name, &source));
        };
        // As in libpq, an empty value leaves the parameter unset.
        match value.is_empty() {
            true => Ok(()),
            false => self.set_supported(spec.support, Setting::new(spec.name, value, source)),
        }
    }

    fn set_supported(&mut self, support: Support, setting: Setting) -> Result<()> {
        match support {
            Support::Full(parameter) => self.set(parameter, setting),
            Support::Only { accepted, reason } => {
                let mut accepted = accepted.iter();
                if !accepted.any(|value| value.eq_ignore_ascii_case(setting.text())) {
                    return Err(setting.invalid(reason));
                }
            }
        }
        Ok(())
    }

    /// Removes a parameter.
    pub(super) fn remove(&mut self, parameter: Parameter) {
        self.0.remove(&parameter);
    }

    /// Fills absent parameters from another source.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (parameter, setting) in other.0 {
            self.0.entry(parameter).or_insert(setting);
        }
        self
    }

    /// Returns the setting of a parameter.
    pub(super) fn get(&self, parameter: Parameter) -> Option<&Setting> {
        self.0.get(&parameter)
    }

    /// Returns the value of a parameter as text.
    pub(super) fn text(&self, parameter: Parameter) -> Option<String> {
        self.get(parameter).map(|setting| setting.text().to_owned())
    }

    /// Returns the value of a parameter that is secret.
    pub(super) fn secret(&self, parameter: Parameter) -> Option<SecretString> {
        self.get(parameter).map(|setting| setting.value.clone())
    }

    /// Returns the parsed value of a parameter.
    ///
    /// # Errors
    /// Returns an error that names source and parameter if the value is invalid.
    pub(super) fn parse<T: FromStr<Err = String>>(
        &self,
        parameter: Parameter,
    ) -> Result<Option<T>> {
        self.get(parameter).map(Setting::parse).transpose()
    }

    /// Returns where each parameter is set.
    pub(super) fn sources(&self) -> ValueSources {
        let sources = self.0.iter();
        let sources = sources.map(|(&parameter, setting)| (parameter, setting.source.clone()));
        ValueSources(sources.collect())
    }
}
