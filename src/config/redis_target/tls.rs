//! How a connection to Redis is encrypted, in the terms of Node's `tls.connect`.

use std::{fmt, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::super::reader::{Field, Object};
use crate::error::Result;

/// What is checked of the server, and what is shown to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Who may vouch for the server, at least one; `None` for those that Node trusts.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// Our certificate chain and its key, for servers that ask for one.
    pub identity: Option<(Vec<CertificateDer<'static>>, PrivateKey)>,
    /// The name that the server must have; `None` for the host that is connected to.
    pub server_name: Option<ServerName<'static>>,
    /// How much of its certificate is checked.
    pub check: ServerCheck,
}

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerCheck {
    /// Who signed it, and for which name.
    Full,
    /// Who signed it. Node's `checkServerIdentity` that takes any name.
    AnyName,
    /// Nothing. Node's `rejectUnauthorized: false`.
    Nothing,
}

/// A private key that shows itself to nobody but the connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PrivateKey(Arc<str>);

impl PrivateKey {
    /// The key, in PEM.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl Tls {
    pub(super) fn parse(field: &Field<'_>) -> Result<Self> {
        let object = field.object(&["ca", "cert", "key", "serverName", "check"])?;
        let check = match object.get("check") {
            None => ServerCheck::Full,
            Some(check) => match check.text()? {
                "full" => ServerCheck::Full,
                "anyName" => ServerCheck::AnyName,
                "nothing" => ServerCheck::Nothing,
                _ => return Err(check.must_be("\"full\", \"anyName\" or \"nothing\"")),
            },
        };
        Ok(Tls {
            roots: object.get("ca").map(|ca| certificates(&ca)).transpose()?,
            identity: identity(field, &object)?,
            server_name: object
                .get("serverName")
                .map(|name| server_name(&name))
                .transpose()?,
            check,
        })
    }
}

fn server_name(field: &Field<'_>) -> Result<ServerName<'static>> {
    ServerName::try_from(field.text()?.to_owned())
        .map_err(|_| field.must_be("a host name or an IP address"))
}

fn certificates(field: &Field<'_>) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(field.hidden()?.as_bytes()).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(field.wrong("must hold certificates in PEM (-----BEGIN CERTIFICATE-----)")),
    }
}

fn identity(
    tls: &Field<'_>,
    object: &Object<'_>,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKey)>> {
    match (object.get("cert"), object.get("key")) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let text = key.hidden()?;
            if PrivateKeyDer::from_pem_slice(text.as_bytes()).is_err() {
                return Err(key.wrong(
                    "must hold a private key in PEM without a passphrase (the value is not shown)",
                ));
            }
            Ok(Some((certificates(&cert)?, PrivateKey(text.into()))))
        }
        _ => Err(tls.wrong("must have both `cert` and `key`, or neither")),
    }
}
