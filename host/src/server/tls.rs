//! TLS with rustls: certificates from PEM files, a self-signed one for development, the handshake of a connection.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::http::refuse;
use crate::handshake::Refusal;

/// What is wrong with the certificate or the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read the {what} {}: {error}", path.display())]
    Read {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not what it should be.
    #[error("the {what} {} {problem}", path.display())]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// Certificate and key do not go together, or rustls does not take them.
    #[error("the certificate {} and the private key {} cannot be used: {problem}", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate for {names:?}: {problem}")]
    SelfSigned {
        /// The names and addresses asked for.
        names: Vec<String>,
        /// What is wrong.
        problem: String,
    },
}

/// The configuration for a certificate chain and its private key in PEM files.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn from_files(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_certificates(cert)?;
    let private_key = read_key(key)?;
    config(chain, private_key).map_err(|error| {
        let problem = match error {
            rustls::Error::InconsistentKeys(_) => {
                "the key does not belong to the first certificate of the file".to_owned()
            }
            error => error.to_string(),
        };
        TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), problem }
    })
}

/// The configuration with a new self-signed certificate for these names and addresses (`localhost`, `127.0.0.1`).
///
/// # Errors
/// When a name cannot stand in a certificate.
pub fn self_signed(names: Vec<String>) -> Result<Arc<ServerConfig>, TlsError> {
    let make = || -> Result<_, rcgen::Error> {
        let mut params = rcgen::CertificateParams::new(names.clone())?;
        params.distinguished_name.push(rcgen::DnType::CommonName, "whimbrel dev");
        // Browsers refuse certificates that are valid for more than 825 days, even accepted ones.
        let year = current_year();
        params.not_before = rcgen::date_time_ymd(year - 1, 12, 31);
        params.not_after = rcgen::date_time_ymd(year + 2, 1, 1);
        let key = rcgen::KeyPair::generate()?;
        Ok((params.self_signed(&key)?, key))
    };
    let failed = |problem: String| TlsError::SelfSigned { names: names.clone(), problem };
    let (certificate, key) = make().map_err(|error| failed(error.to_string()))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(error.to_owned()))?;
    config(vec![certificate.der().clone()], key).map_err(|error| failed(error.to_string()))
}

/// The TLS handshake of one accepted connection; none when it failed, and then the client was told why: with a 400 when
/// it does not speak TLS at all, with a TLS alert otherwise. The caller bounds the time.
pub(super) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> Option<TlsStream<TcpStream>> {
    /// The first byte of a TLS record that holds a handshake (RFC 8446 section 5.1).
    const HANDSHAKE_RECORD: u8 = 22;
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Ok(1..) if first == [HANDSHAKE_RECORD] => {}
        Ok(1..) => {
            let text = "This address speaks TLS: use https:// or wss://.\n";
            refuse(tcp, Refusal::text(StatusCode::BAD_REQUEST, text)).await;
            return None;
        }
        Ok(_) | Err(_) => return None,
    }
    match TlsAcceptor::from(config).accept(tcp).await {
        Ok(tls) => Some(tls),
        Err(error) => {
            tracing::debug!(%error, "tls handshake failed");
            None
        }
    }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let pem = read(path, WHAT)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(not_pem(path, WHAT, &PemError::NoItemsFound, "CERTIFICATE")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(not_pem(path, WHAT, &error, "CERTIFICATE")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "private key";
    let pem = read(path, WHAT)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| not_pem(path, WHAT, &error, "PRIVATE KEY"))
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read { what, path: path.to_owned(), error })
}

fn not_pem(path: &Path, what: &'static str, error: &PemError, section: &str) -> TlsError {
    let problem = match error {
        PemError::NoItemsFound => format!("holds none; a PEM section \"-----BEGIN {section}-----\" is expected"),
        error => format!("is no valid PEM: {error}"),
    };
    TlsError::Pem { what, path: path.to_owned(), problem }
}

/// The year now, by the mean length of one: wrong for some hours around New Year's Eve at most.
fn current_year() -> i32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    1970 + i32::try_from(seconds / 31_556_952).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A certificate and its key as PEM.
    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn error_of(cert: &str, key: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cert.pem"), cert).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        let error = from_files(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap_err();
        error.to_string().replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn reads_a_chain_and_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = pem();
        let both = folder.path().join("both.pem");
        fs::write(&both, format!("{key}{cert}{}", pem().0)).unwrap();
        assert_eq!(from_files(&both, &both).unwrap().alpn_protocols, [b"http/1.1"]);
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let (cert, key) = pem();
        let missing = from_files(Path::new("/nowhere/cert.pem"), Path::new("key.pem")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "cannot read the certificate /nowhere/cert.pem: No such file or directory (os error 2)"
        );
        let expected = "the certificate cert.pem holds none; a PEM section \"-----BEGIN CERTIFICATE-----\" is expected";
        assert_eq!(error_of(&key, &key), expected);
        assert_eq!(error_of("", &key), expected);
        let expected = "the private key key.pem holds none; a PEM section \"-----BEGIN PRIVATE KEY-----\" is expected";
        assert_eq!(error_of(&cert, &cert), expected);
        let cut = cert.lines().take(3).collect::<Vec<_>>().join("\n");
        assert!(
            error_of(&cut, &key).starts_with("the certificate cert.pem is no valid PEM: "),
            "{}",
            error_of(&cut, &key)
        );
        assert_eq!(
            error_of(&cert, &pem().1),
            "the certificate cert.pem and the private key key.pem cannot be used: \
             the key does not belong to the first certificate of the file"
        );
    }

    #[test]
    fn a_self_signed_certificate_takes_names_and_addresses() {
        self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]).unwrap();
        let error = self_signed(vec!["caf\u{e9}".to_owned()]).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot make a self-signed certificate for [\"caf\u{e9}\"]: "),
            "{error}"
        );
    }

    #[test]
    fn the_year_is_this_one() {
        assert!((2024..2200).contains(&current_year()));
    }
}
