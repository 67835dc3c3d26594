//! TLS for the client libraries: which certificates are trusted, which one is shown, and which protocols are offered. It
//! reads the user's files, so that what is wrong with them is said before the run; the cryptography is rustls's.

mod insecure;

use crate::failure::{Failure, Outcome};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{Resumption, WantsClientCert};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, ConfigBuilder, Error, InvalidMessage, RootCertStore,
};

/// Sessions that are remembered, to be resumed by later connections.
const SESSIONS: usize = 256;

/// What the user has said about TLS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// Trusted instead of the system's.
    pub(crate) cacert: Option<&'a Path>,
    /// The certificate to show, and its key.
    pub(crate) identity: Option<(&'a Path, &'a Path)>,
    /// Whether to trust whatever is shown.
    pub(crate) insecure: bool,
}

/// What a connection needs to be made safe.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    /// The name that the certificate has to be for, and that is asked for (SNI).
    name: ServerName<'static>,
}

impl Tls {
    /// For connections to `host`, on which one of `protocols` is to be spoken.
    ///
    /// # Errors
    /// Wrong use: files that cannot be used, by name.
    pub(crate) fn new(options: Options<'_>, host: &str, protocols: &[&[u8]]) -> Outcome<Self> {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::usage(format!("`{host}` is no name that a certificate can be for")))?;
        Ok(Self { config: Arc::new(config(options, protocols)?), name })
    }

    /// The configuration, for a client that makes its own connections.
    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// Shakes hands.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<TlsStream<S>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), socket).await
    }
}

/// For a client that is only ever asked for http://: it trusts nobody.
///
/// # Errors
/// The host's fault: there is no TLS.
pub(crate) fn none() -> Outcome<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::host(format!("TLS cannot be used: {e}")))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Why TLS gave up, if it was TLS that did.
pub(crate) fn reason(error: &io::Error) -> Option<String> {
    let within = error.get_ref()?;
    match within.downcast_ref::<Error>() {
        Some(e) => Some(in_words(e)),
        // Libraries wrap an error of the kernel's kind in another of it.
        None => reason(within.downcast_ref::<io::Error>()?),
    }
}

/// The errors of a clumsy user, in words of ours; the others in rustls's own.
fn in_words(error: &Error) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("it does not speak TLS (is it http://?): {error}")
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            format!(
                "it offers none of the protocols that were asked for (HTTP/2 with --http2, else HTTP/1.1): {error}"
            )
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("it wants a certificate of the client's (--cert and --key): {error}")
        }
        _ => error.to_string().replace('\n', " "),
    }
}

fn config(options: Options<'_>, protocols: &[&[u8]]) -> Outcome<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::host(format!("TLS cannot be used: {e}")))?;
    let builder = match (options.insecure, options.cacert) {
        (true, _) => builder.dangerous().with_custom_certificate_verifier(insecure::verifier(provider)),
        (false, Some(file)) => builder.with_root_certificates(roots_of(file)?),
        (false, None) => builder.with_root_certificates(system_roots()?),
    };
    let mut config = identified(builder, options.identity)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

fn identified(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<(&Path, &Path)>,
) -> Outcome<ClientConfig> {
    let Some((cert, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let wrong = |why: String| {
        let (cert, key) = (cert.display(), key.display());
        Failure::usage(format!("cannot use --cert {cert} with --key {key}: {why}"))
    };
    let chain = certificates(cert)?;
    let read = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(format!("no key can be read: {e}")))?;
    builder.with_client_auth_cert(chain, read).map_err(|e| {
        wrong(match &e {
            Error::InconsistentKeys(_) => String::from("the key is not the certificate's"),
            // The only thing that is looked at in it so far is its form.
            Error::InvalidCertificate(_) => format!("the certificate is not one of version 3 (X.509): {e}"),
            e => e.to_string(),
        })
    })
}

fn certificates(file: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot use the certificates in {}: {why}", file.display()))
    };
    let all = CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(wrong(&"there is none in it (they are written in PEM)")) } else { Ok(all) }
}

fn roots_of(file: &Path) -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|e| Failure::usage(format!("cannot use the certificates in {}: {e}", file.display())))?;
    }
    Ok(roots)
}

fn system_roots() -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one that is not trusted; that it was needed is said when a certificate does not verify.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Failure::usage(
            "this system has no certificates to trust: give one with --cacert FILE, or trust any with --insecure",
        ));
    }
    Ok(roots)
}
