//! How a pile gets its account: what it asks at the doors, and what it is answered. The other
//! side of [`registration`](super::registration).

use bytes::Bytes;

use super::{
    apdu::Apdu,
    error::{DecodeError, EncodeError},
    message::Opened,
    registration::Registered,
    v1_10,
};
use crate::domain::wire::Revision;

/// A pile asks for an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Application {
    /// What the pile speaks, told from the bytes.
    pub revision: Revision,
    /// To answer with.
    pub sequence: u64,
    /// Part number.
    pub part_number: String,
    /// Serial number.
    pub serial: String,
    /// The registration code it shows.
    pub code: String,
    /// How many connectors it has, as far as it says; never 0.
    pub connectors: usize,
    /// Their types; the tables give these numbers no meaning.
    pub connector_types: Vec<i32>,
}

impl std::fmt::Debug for Application {
    /// Leaves the code out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application")
            .field("revision", &self.revision)
            .field("part_number", &self.part_number)
            .field("serial", &self.serial)
            .field("connectors", &self.connectors)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// The client id of this pile, before and after registration.
    #[must_use]
    pub fn client_id(&self) -> String {
        format!("{}-{}", self.part_number, self.serial)
    }
}

/// Reads what came on a registration topic.
///
/// # Errors
///
/// If it is no request for an account. [`DecodeError::answer`] is what to send back.
pub fn application(payload: &[u8]) -> Result<Application, DecodeError> {
    let apdu = Apdu::decode(payload)?;
    let read = Opened::of(&apdu).and_then(|opened| v1_10::account::application(&opened));
    read.map_err(|error| error.answering(apdu.revision, apdu.code, apdu.sequence))
}

/// What a pile is told, in the revision it asked in. `at_s`: unix seconds, `None` while the clock
/// is unset.
///
/// # Errors
///
/// If it is larger than an envelope may be.
pub fn answer(
    application: &Application,
    said: &Registered,
    at_s: Option<i64>,
) -> Result<Bytes, EncodeError> {
    let Application { revision, sequence, .. } = *application;
    let sealed = v1_10::account::conf(said).seal(revision, sequence, at_s)?;
    sealed.ok_or(EncodeError::Absent(revision))
}
