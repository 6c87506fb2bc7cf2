//! TLS to Redis, with the checks that Node would make.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use crate::{
    config::redis_target::{ServerCheck, Tls},
    error::{Code, Error, Result},
    trust,
};

/// The settings of every TLS connection to a target.
pub(super) fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier {
        check: tls.check,
        named: tls.roots.clone().unwrap_or_default(),
        full: WebPkiServerVerifier::builder_with_provider(Arc::new(roots(tls)?), provider.clone())
            .build()
            .map_err(unfit)?,
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(unfit)?;
            config
                .with_client_auth_cert(chain.clone(), key)
                .map_err(unfit)?
        }
    };
    Ok(Arc::new(config))
}

fn roots(tls: &Tls) -> Result<RootCertStore> {
    let Some(given) = &tls.roots else {
        return Ok(trust::roots());
    };
    let mut roots = RootCertStore::empty();
    for root in given {
        roots.add(root.clone()).map_err(unfit)?;
    }
    Ok(roots)
}

fn unfit(error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Argument,
        format!("the TLS settings of `redis` cannot be used: {error}"),
    )
}

/// Checks as much of the server's certificate as the caller's client would have.
#[derive(Debug)]
struct Verifier {
    check: ServerCheck,
    /// The roots that the caller named.
    named: Vec<CertificateDer<'static>>,
    full: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.check == ServerCheck::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let checked = if self.named.contains(end_entity) {
            // A server that signed its own certificate. OpenSSL takes it; the full check would not, as its makers mark it as an
            // authority's.
            ParsedCertificate::try_from(end_entity)
                .and_then(|certificate| verify_server_name(&certificate, server_name))
                .map(|()| ServerCertVerified::assertion())
        } else {
            self.full
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match checked {
            // The name is checked last: all else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == ServerCheck::AnyName => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.full.supported_verify_schemes()
    }
}
