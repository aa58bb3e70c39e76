//! How a station gets its account: asked for once, with the default account.

use bytes::Bytes;

use super::{
    apdu::Apdu,
    error::{DecodeError, EncodeError},
    message::Opened,
    station::Settings,
    v1_10,
};
/// What a backend answers to a registration.
#[derive(Clone, PartialEq, Eq)]
pub struct Registered {
    /// 0 is yes.
    pub status: i32,
    /// Device code: the id in the topics from now on.
    pub device_code: String,
    /// User name of the new account.
    pub username: String,
    /// Password of the new account.
    pub password: String,
    /// Why not, for people.
    pub reason: String,
}

impl std::fmt::Debug for Registered {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("status", &self.status)
            .field("device_code", &self.device_code)
            .field("username", &self.username)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Registered {
    /// Whether there is an account now.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.status == 0
    }
}

/// The only sequence id used: one registration is asked for per connection.
const SEQUENCE: u64 = 1;

/// Asks for an account. `code`: the registration code.
///
/// # Errors
///
/// If it becomes too large.
pub fn registration_request(settings: &Settings, code: &str) -> Result<Bytes, EncodeError> {
    let revision = settings.revision;
    let request = v1_10::account::request(settings, code).seal(revision, SEQUENCE, None)?;
    request.ok_or(EncodeError::Absent(revision))
}

/// What the backend says to it.
///
/// # Errors
///
/// If it is no answer to a registration; a `MessageError` is one, quoted in the error.
pub fn registration_answer(payload: &[u8]) -> Result<Registered, DecodeError> {
    v1_10::account::answer(&Opened::of(&Apdu::decode(payload)?)?)
}
