//! The self-signed certificate of `dev --tls`, kept so that a browser which accepted it once does not ask again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rcgen::{CertificateParams, DnType, KeyPair};
use whimbrel::host_config::TlsFiles;

use crate::cli::cache;

/// Whom the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// A certificate is valid for more than a year, and replaced before that.
const LIFETIME: Duration = Duration::from_secs(300 * 24 * 60 * 60);

/// The certificate and its key, both in one PEM file in the user's cache folder; made when there is none.
pub(super) fn files() -> anyhow::Result<TlsFiles> {
    let dir = cache::dir().context("no folder to keep a certificate in: set HOME or XDG_CACHE_HOME")?;
    let path = dir.join("dev.pem");
    if !is_fresh(&path) {
        make(&path).with_context(|| format!("failed to make the self-signed certificate {}", path.display()))?;
    }
    Ok(TlsFiles { cert: path.clone(), key: path })
}

fn is_fresh(path: &Path) -> bool {
    let made = fs::metadata(path).and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < LIFETIME))
}

fn make(path: &Path) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "whimbrel dev");
    // Browsers refuse certificates that are valid for more than 825 days, even accepted ones.
    let year = this_year();
    params.not_before = rcgen::date_time_ymd(year - 1, 12, 31);
    params.not_after = rcgen::date_time_ymd(year + 2, 1, 1);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem() + &key.serialize_pem();

    fs::create_dir_all(path.parent().context("the cache folder has no parent")?)?;
    // Complete from the first moment on, as another `dev` may read it.
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(pem.as_bytes())?;
    Ok(fs::rename(&draft, path)?)
}

/// The current year, or next to it around New Year.
fn this_year() -> i32 {
    const SECONDS_PER_YEAR: u64 = 31_556_952;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / SECONDS_PER_YEAR;
    i32::try_from(since_1970).map_or(1970, |years| 1970 + years)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{is_fresh, make};

    #[test]
    fn the_key_is_for_the_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("whimbrel").join("dev.pem");
        assert!(!is_fresh(&path));
        make(&path).unwrap();
        assert!(is_fresh(&path));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let pem = std::fs::read_to_string(&path).unwrap();
        assert!(pem.contains("BEGIN CERTIFICATE") && pem.contains("PRIVATE KEY"));
    }
}
