//! Finds the proxies that requests go through: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.

use std::env;
use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::no_proxy::NoProxy;
use crate::error::{Error, Result};

/// The proxies of the environment.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    /// The proxy for URLs that begin with `http://`.
    pub(super) http: Option<Proxy>,
    /// The proxy for URLs that begin with `https://`.
    pub(super) https: Option<Proxy>,
    no_proxy: NoProxy,
}

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The URL with user and password.
    url: SecretString,
    /// The name of the proxy for messages, and the variable that names it.
    pub name: ProxyName,
}

/// The name of a proxy, without user and password.
#[derive(Debug, Clone)]
pub(crate) struct ProxyName {
    variable: &'static str,
    address: String,
}

impl Proxies {
    /// Reads the environment. A variable in lower case takes precedence, as for the AWS command line.
    ///
    /// # Errors
    /// Returns an error that names the variable if its value is not the URL of an HTTP proxy.
    pub(crate) fn from_env() -> Result<Self> {
        let no_proxy = first_variable(["no_proxy", "NO_PROXY"])?;
        Ok(Self {
            http: read_proxy(["http_proxy", "HTTP_PROXY"])?,
            https: read_proxy(["https_proxy", "HTTPS_PROXY"])?,
            no_proxy: no_proxy.map_or_else(NoProxy::default, |(_, list)| NoProxy::parse(&list)),
        })
    }

    /// Returns true if there is no proxy.
    pub(super) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// Returns the proxy for requests to a URL.
    pub(crate) fn proxy_for(&self, url: &str) -> Option<&Proxy> {
        let url = Url::parse(url).ok()?;
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        };
        let port = url.port_or_known_default();
        proxy.filter(|_| {
            !self
                .no_proxy
                .contains(url.host_str().unwrap_or_default(), port)
        })
    }
}

impl Proxy {
    /// Returns the configuration of a client that sends everything through the proxy.
    ///
    /// # Errors
    /// Returns an error if the client does not accept the URL.
    pub(super) fn to_config(&self) -> Result<ProxyConfig> {
        ProxyConfig::all(self.url.expose_secret()).map_err(|_| invalid(self.name.variable))
    }
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.variable)
    }
}

/// Returns the first of the variables that is set, unless it is empty.
fn first_variable(names: [&'static str; 2]) -> Result<Option<(&'static str, String)>> {
    for name in names {
        if let Some(value) = env::var_os(name) {
            let value = value.into_string().map_err(|_| invalid(name))?;
            return Ok(Some((name, value)).filter(|(_, value)| !value.trim().is_empty()));
        }
    }
    Ok(None)
}

fn read_proxy(names: [&'static str; 2]) -> Result<Option<Proxy>> {
    let Some((variable, value)) = first_variable(names)? else {
        return Ok(None);
    };
    let value = value.trim();
    let text = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let url = Url::parse(&text).map_err(|_| invalid(variable))?;
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return Err(invalid(variable));
    };
    let scheme = url.scheme();
    if !matches!(scheme, "http" | "https") {
        return Err(invalid(variable));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let proxy = Proxy {
        name: ProxyName {
            variable,
            address: format!("{scheme}://{host}:{port}"),
        },
        // As the URL parser wrote it: with all characters encoded that the client does not accept.
        url: url.as_str().to_owned().into(),
    };
    proxy.to_config()?;
    Ok(Some(proxy))
}

/// Returns the error for a variable. It does not show the value, which can contain a password.
fn invalid(variable: &str) -> Error {
    Error::usage(format!("invalid {variable}"))
        .with_reason("expected the URL of an HTTP proxy, such as http://proxy.example:3128")
        .with_hint("correct it, or unset it to reach S3 without a proxy")
}
