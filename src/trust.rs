//! Whose TLS certificates are taken: those that Node itself would take.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Mozilla's roots, and those of `NODE_EXTRA_CA_CERTS`. Not the system's: slim container images have none.
pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|file| !file.is_empty()) {
        // As Node does, an unreadable file is passed over: it is often set for other programs.
        let certificates = CertificateDer::pem_file_iter(file)
            .into_iter()
            .flatten()
            .flatten();
        roots.add_parsable_certificates(certificates);
    }
    roots
}
