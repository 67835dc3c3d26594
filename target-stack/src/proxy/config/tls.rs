//! TLS. Given a server's `ssl_` directives, it reads the certificates and keys that they name, and gives what shakes hands with
//! them; what is missing, unreadable or does not belong together is an error of the file.

use super::tree::{Directive, Place};
use super::values;
use crate::failure::{Failure, Outcome};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

/// The protocols that nginx offers by ALPN without HTTP/2 (`NGX_HTTP_ALPN_PROTOS`).
const ALPN: [&[u8]; 3] = [b"http/1.1", b"http/1.0", b"http/0.9"];
/// nginx: one megabyte holds about 4,000 sessions.
const SESSION: u64 = 256;
/// nginx's smallest shared zone: eight pages.
const SMALLEST_CACHE: u64 = 8 * 4096;

/// The `ssl_` directives of a level.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    certificates: Vec<(String, Place)>,
    keys: Vec<(String, Place)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    tickets: bool,
    /// How many sessions are kept.
    sessions: usize,
    prefer_own: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            keys: Vec::new(),
            versions: vec![&TLS12, &TLS13],
            tickets: true,
            sessions: 0,
            prefer_own: false,
        }
    }
}

impl Tls {
    /// Forgets what `block` says instead.
    pub(super) fn begin(&mut self, block: &[Directive]) {
        let says = |name: &str| block.iter().any(|directive| directive.name == name);
        if says("ssl_certificate") {
            self.certificates.clear();
        }
        if says("ssl_certificate_key") {
            self.keys.clear();
        }
    }

    /// Takes in one of its directives.
    pub(super) fn apply(&mut self, directive: &Directive) -> Outcome {
        let first = directive.arg(0);
        match directive.name.as_str() {
            "ssl_certificate" | "ssl_certificate_key" if first.contains('$') => {
                let name = &directive.name;
                return Err(directive.error(format_args!("variables in \"{name}\" are not supported")));
            }
            "ssl_certificate" => self.certificates.push((first.to_owned(), directive.place.clone())),
            "ssl_certificate_key" => self.keys.push((first.to_owned(), directive.place.clone())),
            "ssl_protocols" => self.versions = versions(directive)?,
            "ssl_session_tickets" => self.tickets = values::switch(directive)?,
            "ssl_session_cache" => self.sessions = sessions(directive)?,
            "ssl_prefer_server_ciphers" => self.prefer_own = values::switch(directive)?,
            _ => {}
        }
        Ok(())
    }

    /// What shakes hands, with the files named from `dir`; none where no certificate is named.
    pub(super) fn build(&self, dir: &Path) -> Outcome<Option<Arc<ServerConfig>>> {
        if self.certificates.is_empty() {
            return Ok(None);
        }
        let mut certified = Vec::new();
        for (number, (certificate, place)) in self.certificates.iter().enumerate() {
            let Some((key, key_place)) = self.keys.get(number) else {
                let what = format!("no \"ssl_certificate_key\" is defined for certificate \"{certificate}\"");
                return Err(place.error(what));
            };
            certified.push(pair((&dir.join(certificate), place), (&dir.join(key), key_place))?);
        }
        let place = &self.certificates[0].1;
        let failed = |e: tokio_rustls::rustls::Error| place.error(format_args!("SSL_CTX_new() failed ({e})"));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .map_err(failed)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Certificates(certified)));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        config.ignore_client_order = self.prefer_own;
        config.session_storage = match self.sessions {
            0 => Arc::new(NoServerSessionStorage {}),
            number => ServerSessionMemoryCache::new(number),
        };
        if self.tickets {
            config.ticketer = ring::Ticketer::new().map_err(failed)?;
        }
        Ok(Some(Arc::new(config)))
    }
}

/// The certificates of a server: the first that the client can check is shown.
#[derive(Debug)]
struct Certificates(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = |pair: &&Arc<CertifiedKey>| pair.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(known).cloned()
    }
}

/// The chain of certificates in one file with the key in the other.
fn pair(certificate: (&Path, &Place), key: (&Path, &Place)) -> Outcome<Arc<CertifiedKey>> {
    let refused = |what: &str, (path, place): (&Path, &Place), why: &str| -> Failure {
        place.error(format_args!("cannot load {what} \"{}\": {why}", path.display()))
    };
    let read = |what: &str, from: (&Path, &Place)| {
        let failed = |e| refused(what, from, &format!("open() failed ({})", super::os_error(&e)));
        std::fs::read(from.0).map_err(failed)
    };
    let chain = CertificateDer::pem_slice_iter(&read("certificate", certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| refused("certificate", certificate, &e.to_string()))?;
    if chain.is_empty() {
        return Err(refused("certificate", certificate, "no start line: Expecting: CERTIFICATE"));
    }
    let der = PrivateKeyDer::from_pem_slice(&read("certificate key", key)?).map_err(|e| match e {
        pem::Error::NoItemsFound => {
            refused("certificate key", key, "no start line: Expecting: ANY PRIVATE KEY")
        }
        other => refused("certificate key", key, &other.to_string()),
    })?;
    let signing = ring::default_provider()
        .key_provider
        .load_private_key(der)
        .map_err(|e| refused("certificate key", key, &e.to_string()))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) => Ok(Arc::new(pair)),
        Err(tokio_rustls::rustls::Error::InconsistentKeys(_)) => {
            let (path, place) = key;
            let path = path.display();
            Err(place.error(format_args!("SSL_CTX_use_PrivateKey(\"{path}\") failed (key values mismatch)")))
        }
        Err(other) => Err(refused("certificate", certificate, &other.to_string())),
    }
}

/// The protocols that are named and spoken: those before TLS 1.2 are not.
fn versions(directive: &Directive) -> Outcome<Vec<&'static SupportedProtocolVersion>> {
    let mut versions = Vec::new();
    for name in &directive.args {
        match name.as_str() {
            "TLSv1.2" => versions.push(&TLS12),
            "TLSv1.3" => versions.push(&TLS13),
            "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" => {}
            other => return Err(directive.error(format_args!("invalid value \"{other}\""))),
        }
    }
    if versions.is_empty() {
        return Err(directive.error("none of these protocols is supported, only TLSv1.2 and TLSv1.3"));
    }
    Ok(versions)
}

/// How many sessions are kept. A zone is not shared by name: each server has its own.
fn sessions(directive: &Directive) -> Outcome<usize> {
    /// OpenSSL's own (`SSL_SESSION_CACHE_MAX_SIZE_DEFAULT`).
    const BUILTIN: usize = 20_480;
    let mut most = 0;
    for text in &directive.args {
        let invalid = || directive.error(format_args!("invalid session cache \"{text}\""));
        let mut words = text.split(':');
        let sessions = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("off" | "none"), None, ..) => 0,
            (Some("builtin"), None, ..) => BUILTIN,
            (Some("builtin"), Some(number), None, _) => values::digits(number)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| *number > 0)
                .ok_or_else(invalid)?,
            (Some("shared"), Some(name), Some(size), None) if !name.is_empty() => {
                let size = values::parse_size(size).ok_or_else(invalid)?;
                if size < SMALLEST_CACHE {
                    return Err(directive.error(format_args!("session cache \"{text}\" is too small")));
                }
                usize::try_from(size / SESSION).unwrap_or(usize::MAX)
            }
            _ => return Err(invalid()),
        };
        most = most.max(sessions);
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::Config;

    /// Files of two servers: `a.pem` with `a.key`, `b.pem` with `b.key`.
    fn dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["a", "b"] {
            let made =
                rcgen::generate_simple_self_signed(vec![format!("{name}.test")]).expect("a certificate");
            std::fs::write(dir.path().join(format!("{name}.pem")), made.cert.pem()).expect("a file");
            std::fs::write(dir.path().join(format!("{name}.key")), made.signing_key.serialize_pem())
                .expect("a file");
        }
        dir
    }

    fn parse(dir: &Path, http: &str) -> Outcome<Config> {
        let file = dir.join("nginx.conf").display().to_string();
        Config::parse(&file, &format!("events {{}} http {{ {http} }}"), Path::new("/prefix"))
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_with_file_and_line() {
        let dir = dir();
        let path = dir.path().display();
        let certified =
            |more: &str| format!("listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; {more}");
        // As nginx 1.22 words them, but for what it has from OpenSSL, and for the line, which it does not have everywhere.
        let rows = [
            (
                "listen 443 ssl;".to_owned(),
                "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive".to_owned(),
            ),
            (
                "ssl_certificate a.pem;".to_owned(),
                "no \"ssl_certificate_key\" is defined for certificate \"a.pem\"".to_owned(),
            ),
            (
                "ssl_certificate c.pem; ssl_certificate_key a.key;".to_owned(),
                format!(
                    "cannot load certificate \"{path}/c.pem\": open() failed (2: No such file or directory)"
                ),
            ),
            (
                "ssl_certificate a.pem; ssl_certificate_key /none;".to_owned(),
                "cannot load certificate key \"/none\": open() failed (2: No such file or directory)"
                    .to_owned(),
            ),
            (
                "ssl_certificate a.key; ssl_certificate_key a.key;".to_owned(),
                format!("cannot load certificate \"{path}/a.key\": no start line: Expecting: CERTIFICATE"),
            ),
            (
                "ssl_certificate a.pem; ssl_certificate_key a.pem;".to_owned(),
                format!(
                    "cannot load certificate key \"{path}/a.pem\": no start line: Expecting: ANY PRIVATE KEY"
                ),
            ),
            (
                "ssl_certificate a.pem; ssl_certificate_key b.key;".to_owned(),
                format!("SSL_CTX_use_PrivateKey(\"{path}/b.key\") failed (key values mismatch)"),
            ),
            (certified("ssl_protocols TLSv1.2 foo;"), "invalid value \"foo\"".to_owned()),
            (
                certified("ssl_protocols TLSv1;"),
                "none of these protocols is supported, only TLSv1.2 and TLSv1.3".to_owned(),
            ),
            (
                certified("ssl_session_tickets x;"),
                "invalid value \"x\" in \"ssl_session_tickets\" directive, it must be \"on\" or \"off\""
                    .to_owned(),
            ),
            (certified("ssl_session_cache foo;"), "invalid session cache \"foo\"".to_owned()),
            (
                certified("ssl_session_cache shared:x:1;"),
                "session cache \"shared:x:1\" is too small".to_owned(),
            ),
            (
                certified("location / { ssl_protocols TLSv1.2; }"),
                "\"ssl_protocols\" directive is not allowed here".to_owned(),
            ),
        ];
        for (server, want) in rows {
            let error = parse(dir.path(), &format!("server {{ {server} }}")).expect_err(&server);
            assert_eq!(error.message, format!("[emerg] {want} in {path}/nginx.conf:1"), "{server}");
        }
    }

    #[test]
    fn certificates_are_handed_down_and_the_default_server_has_to_have_one() {
        let dir = dir();
        let config = parse(
            dir.path(),
            "ssl_certificate a.pem; ssl_certificate_key a.key; ssl_session_cache shared:SSL:1m;
             server { listen 443 ssl; } server { listen 443; server_name b; ssl_session_tickets off; }
             server { listen 80; }",
        )
        .expect("a valid configuration");
        assert_eq!(config.ports.iter().map(|port| port.ssl).collect::<Vec<_>>(), [true, false]);
        let of = |server: usize| config.servers[server].tls.clone().expect("a certificate");
        assert!(of(0).ticketer.enabled() && !of(1).ticketer.enabled());
        assert_eq!(of(0).alpn_protocols[0], b"http/1.1");

        parse(
            dir.path(),
            "server { listen 443 ssl; server_name b; }
             server { listen 443 ssl default_server; ssl_certificate b.pem; ssl_certificate_key b.key;
                      ssl_certificate a.pem; ssl_certificate_key a.key; ssl_protocols TLSv1.1 TLSv1.3;
                      ssl_session_cache off; ssl_session_timeout 1d; ssl_prefer_server_ciphers on; }",
        )
        .expect("a valid configuration");
    }
}
