//! Passwords, as they are kept: argon2id in the PHC string format. Given a password, it gives the text that is stored,
//! or says whether it is the one that was. Hashing is computing, so it is done beside the event loop, by few hands at
//! a time; it never holds a connection to the database.

use super::fault::Fault;
use super::telemetry::Telemetry;
use super::token;
use crate::db::rows::PASSWORD_HASH;
use crate::pace;
use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Memory in KiB, passes, lanes. A shop with secrets takes several times as much (OWASP: 19 MiB and two passes, or its
/// like); this one is there to be loaded, and its database is to be the wall that the model has.
const COST: (u32, u32, u32) = (4096, 1, 1);

/// The hands that hash.
pub(crate) struct Passwords {
    hands: Arc<Semaphore>,
    telemetry: Arc<Telemetry>,
}

impl Passwords {
    /// As many hands as this process has CPUs: more would take turns, and memory.
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        let hands = std::thread::available_parallelism().map_or(1, usize::from);
        Self { hands: Arc::new(Semaphore::new(hands)), telemetry }
    }

    /// What is stored of a new password.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Fault> {
        let salt = token::random()?;
        self.aside(move || hash(&password, &salt)).await?.ok_or(Fault::Inside)
    }

    /// Whether `password` is the one of which `stored` was kept. Where nothing is stored it is not, which takes as long
    /// to say: how long an answer takes does not tell which names there are.
    ///
    /// # Errors
    /// When the server is about to end.
    pub(crate) async fn fits(&self, password: String, stored: Option<String>) -> Result<bool, Fault> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| PASSWORD_HASH.to_owned());
        Ok(self.aside(move || fits(&password, &stored)).await? && known)
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let hand = Arc::clone(&self.hands).acquire_owned().await.map_err(|_| Fault::Inside)?;
        let telemetry = Arc::clone(&self.telemetry);
        let done = tokio::task::spawn_blocking(move || {
            // Work cannot be called off: the hand is in use until it is done, whoever still waits for it.
            let _hand = hand;
            let begun = pace::now();
            let done = work();
            telemetry.password.observe((pace::now() - begun).as_secs_f64());
            done
        });
        done.await.map_err(|_| Fault::Inside)
    }
}

fn hash(password: &str, salt: &[u8; 16]) -> Option<String> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).ok()?;
    let salt = SaltString::encode_b64(salt).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Some(argon2.hash_password(password.as_bytes(), &salt).ok()?.to_string())
}

/// What is stored says at which cost it was made.
fn fits(password: &str, stored: &str) -> bool {
    let stored = PasswordHash::new(stored);
    stored.is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_s_customers_have_the_documented_password() {
        assert_eq!(hash("correct horse", b"target-stack...!").as_deref(), Some(PASSWORD_HASH));
        assert!(PASSWORD_HASH.starts_with("$argon2id$v=19$m=4096,t=1,p=1$"));
    }

    #[test]
    fn only_the_password_itself_fits() {
        let stored = hash("correct horse", &[7; 16]).expect("a hash");
        // Made at another cost, by the reference implementation (its own tests, version 0x13).
        let others = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for (password, stored, want) in [
            ("correct horse", stored.as_str(), true),
            ("correct horse ", &stored, false),
            ("", &stored, false),
            ("password", others, true),
            ("passwort", others, false),
            ("", "", false),
            ("x", "x", false),
            ("x", "$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHQ", false),
        ] {
            assert_eq!(fits(password, stored), want, "{password} {stored}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_unknown_has_no_password() {
        let telemetry = Arc::new(Telemetry::new(1, None));
        let passwords = Passwords::new(Arc::clone(&telemetry));
        let stored = passwords.hash("one and only".into()).await.ok();
        assert_ne!(stored, passwords.hash("one and only".into()).await.ok(), "each has a salt of its own");
        for (password, stored, want) in [
            ("one and only", stored.clone(), true),
            ("another", stored, false),
            ("correct horse", None, false),
        ] {
            let fits = passwords.fits(password.into(), stored).await;
            assert_eq!(fits.ok(), Some(want), "{password}");
        }
        let text = telemetry.render(&super::super::workers::Workers::new(1, 1), (1, 1));
        assert!(text.contains("password_hash_duration_seconds_count 5"), "{text}");
    }
}
