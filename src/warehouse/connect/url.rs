//! Parses the URL of a warehouse by the rules of libpq (PostgreSQL documentation, "Connection URIs").

use super::parameter::{Parameter, find_parameter};
use super::settings::{Setting, Settings, invalid};
use super::value_source::ValueSource;
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// A parsed URL.
#[derive(Debug)]
pub(super) struct WarehouseUrl {
    pub dialect: Dialect,
    pub settings: Settings,
}

impl WarehouseUrl {
    /// Parses a URL that a source contains.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid. It never repeats a text that may contain a password.
    pub(super) fn parse(url: &str, source: &ValueSource) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            invalid(
                source,
                "expected redshift://USER@HOST:5439/DATABASE or postgres://USER@HOST/DATABASE",
            )
        })?;
        let dialect = match scheme {
            "redshift" => Dialect::Redshift,
            "postgres" | "postgresql" => Dialect::Postgres,
            _ if scheme.starts_with("jdbc:") => {
                return Err(invalid(source, "it is a JDBC URL; remove the jdbc: prefix"));
            }
            _ => return Err(invalid(source, "expected redshift:// or postgres://")),
        };
        let settings = UrlParser::new(source).parse(rest)?;
        Ok(Self { dialect, settings })
    }
}

/// Splits off user and password, which end at the last `@` before the first `/`. They may contain a `?` unless an `@` comes
/// before it.
fn split_userinfo(text: &str) -> (Option<&str>, &str) {
    let (head, _) = text.split_once('/').unwrap_or((text, ""));
    let before_query = head.split('?').next().unwrap_or(head);
    let at = before_query.rfind('@').or_else(|| head.rfind('@'));
    match at {
        None => (None, text),
        Some(at) => (text.get(..at), text.get(at + 1..).unwrap_or_default()),
    }
}

struct UrlParser<'a> {
    source: &'a ValueSource,
    settings: Settings,
}

impl<'a> UrlParser<'a> {
    fn new(source: &'a ValueSource) -> Self {
        Self {
            source,
            settings: Settings::default(),
        }
    }

    /// Parses what follows the scheme.
    fn parse(mut self, rest: &str) -> Result<Settings> {
        let (userinfo, rest) = split_userinfo(rest);
        if let Some(userinfo) = userinfo {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            self.set(Parameter::User, "user", user)?;
            self.set(Parameter::Password, "password", password)?;
        }
        let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
        if location.contains('@') {
            // A password that contains a / would be split, and errors would show one half of it as the host.
            return Err(
                self.invalid("write / in the user or password as %2F, and @ after the host as %40")
            );
        }
        let (hosts, database) = location.split_once('/').unwrap_or((location, ""));
        self.parse_hosts(hosts)?;
        self.set(Parameter::Database, "database", database)?;
        // A password that contains a ? or & and is not encoded may continue there.
        let may_have_secret = query.contains('@') || query.contains("password=");
        for parameter in query.split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| self.invalid("a parameter after ? has no ="))?;
            if may_have_secret && find_parameter(name).is_none() {
                return Err(self
                    .invalid("unknown parameter")
                    .with_hint("write ? and & in a password as %3F and %26"));
            }
            self.set_parameter(name, value)?;
        }
        Ok(self.settings)
    }

    /// Parses a list of hosts with their ports: each is `host`, `host:port`, `[::1]:port`, `:port` or nothing.
    fn parse_hosts(&mut self, list: &str) -> Result<()> {
        let hosts: Vec<(&str, &str)> = list
            .split(',')
            .map(|host| self.split_port(host))
            .collect::<Result<_>>()?;
        let (names, ports): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
        self.set(Parameter::Host, "host", &names.join(","))?;
        self.set(Parameter::Port, "the port", &ports.join(","))
    }

    /// Splits a host and its port, each of which may be empty.
    fn split_port<'b>(&self, host_port: &'b str) -> Result<(&'b str, &'b str)> {
        let Some(rest) = host_port.strip_prefix('[') else {
            return Ok(host_port.split_once(':').unwrap_or((host_port, "")));
        };
        let (host, port) = rest
            .split_once(']')
            .ok_or_else(|| self.invalid("missing ] after ["))?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| self.invalid("invalid IPv6 address in []"))?;
        match port.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if port.is_empty() => Ok((host, "")),
            None => Err(self.invalid("expected : after ]")),
        }
    }

    /// Sets a parameter of the query.
    fn set_parameter(&mut self, name: &str, value: &str) -> Result<()> {
        let value = self.percent_decode(name, value)?.unwrap_or_default();
        // libpq accepts this parameter of JDBC.
        match (name, value.as_str()) {
            ("ssl", "true") => self
                .settings
                .set_named("sslmode", "require", self.source.clone()),
            _ => self.settings.set_named(name, &value, self.source.clone()),
        }
    }

    /// Sets a parameter to a part of the URL, unless the part is empty.
    fn set(&mut self, parameter: Parameter, name: &'static str, text: &str) -> Result<()> {
        if let Some(value) = self.percent_decode(name, text)? {
            let setting = Setting::new(name, &value, self.source.clone());
            self.settings.set(parameter, setting);
        }
        Ok(())
    }

    /// Percent-decodes a part of the URL. Returns `None` if the part is empty.
    fn percent_decode(&self, name: &str, text: &str) -> Result<Option<String>> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit(), digit());
            let byte = high.zip(low).map(|(high, low)| high * 16 + low);
            match byte.and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) if byte > 0 => bytes.push(byte),
                _ => {
                    return Err(self.invalid(&format!(
                        "invalid percent-encoding in the {name}; write % as %25"
                    )));
                }
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(_) => Err(self.invalid(&format!("the {name} is not valid UTF-8"))),
        }
    }

    fn invalid(&self, reason: &str) -> Error {
        invalid(self.source, reason)
    }
}
