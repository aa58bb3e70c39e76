//! What the doors read in a certificate: whom it names, and how long it is valid.

use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Decode as _,
        asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef},
        oid::db::rfc4519::COMMON_NAME,
    },
};

/// Greatest certificate that is read, in bytes; with long keys and many names one has 3 kB.
const MAX_BYTES: usize = 16 * 1024;

/// Greatest length of a common name, in characters (RFC 5280, `ub-common-name`).
const MAX_NAME: usize = 64;

/// The name a client's certificate was issued to: the only common name of its subject, 1 to 64
/// characters, none of them a control character. Its authority is trusted, its validity checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateName(String);

impl CertificateName {
    /// A name, if it can be one.
    #[must_use]
    pub fn new(name: String) -> Option<Self> {
        let fits = (1..=MAX_NAME).contains(&name.chars().count());
        (fits && !name.contains(char::is_control)).then_some(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It is no certificate.
    #[error("certificate cannot be parsed: {0}")]
    Unreadable(String),
    /// It names nobody, or several.
    #[error("certificate with {0} common names in its subject, not one")]
    Names(usize),
    /// The name is empty, too long, or has characters that are not allowed.
    #[error("certificate whose common name is none")]
    Name,
    /// Its time is over.
    #[error("certificate expired")]
    Expired,
}

/// What is known of a certificate.
#[derive(Debug)]
pub(super) struct Facts {
    names: Vec<Option<String>>,
    /// First second of its validity, unix.
    pub begins_s: u64,
    /// Last second of its validity, unix.
    pub ends_s: u64,
}

impl Facts {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Result<Self, CertificateFault> {
        if der.len() > MAX_BYTES {
            let text = format!("longer than {MAX_BYTES} bytes");
            return Err(CertificateFault::Unreadable(text));
        }
        let certificate = Certificate::from_der(der)
            .map_err(|error| CertificateFault::Unreadable(error.to_string()))?;
        let facts = certificate.tbs_certificate;
        let attributes = facts.subject.0.iter().flat_map(|set| set.0.iter());
        let names = attributes.filter(|one| one.oid == COMMON_NAME).map(text);
        Ok(Self {
            names: names.collect(),
            begins_s: facts.validity.not_before.to_unix_duration().as_secs(),
            ends_s: facts.validity.not_after.to_unix_duration().as_secs(),
        })
    }

    /// Whom it names. Two names could be two piles, so several are as bad as none.
    pub fn name(self) -> Result<CertificateName, CertificateFault> {
        let only = <[Option<String>; 1]>::try_from(self.names);
        let [name] = only.map_err(|names| CertificateFault::Names(names.len()))?;
        name.and_then(CertificateName::new).ok_or(CertificateFault::Name)
    }
}

/// The text of an attribute in any of the encodings that authorities use for names.
fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    let utf8 = Utf8StringRef::try_from(value).map(|text| text.as_str().to_owned());
    let printable = || PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned());
    let ia5 = || Ia5StringRef::try_from(value).map(|text| text.as_str().to_owned());
    let teletex = || TeletexStringRef::try_from(value).map(|text| text.as_str().to_owned());
    utf8.or_else(|_| printable()).or_else(|_| ia5()).or_else(|_| teletex()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate with these attributes in its subject.
    fn certificate(subject: Vec<(DnType, DnValue)>) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind, value);
        }
        params.not_after = date_time_ymd(2030, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn name(subject: Vec<(DnType, DnValue)>) -> Result<CertificateName, CertificateFault> {
        Facts::read(&certificate(subject)).unwrap().name()
    }

    #[test]
    fn the_one_common_name_is_read_in_every_encoding() {
        for value in [
            DnValue::Utf8String("ZD1".to_owned()),
            DnValue::PrintableString("ZD1".try_into().unwrap()),
            DnValue::Ia5String("ZD1".try_into().unwrap()),
            DnValue::TeletexString("ZD1".try_into().unwrap()),
        ] {
            let organisation = (DnType::OrganizationName, DnValue::from("ACME"));
            let found = name(vec![organisation, (DnType::CommonName, value)]).unwrap();
            assert_eq!(found.as_str(), "ZD1");
        }
    }

    #[test]
    fn none_several_and_strange_names_are_refused() {
        let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
        let two = vec![(DnType::CommonName, "ZD1".into()), (again, "ZD2".into())];
        assert_eq!(name(two), Err(CertificateFault::Names(2)));
        assert_eq!(name(Vec::new()), Err(CertificateFault::Names(0)));
        for strange in ["", "Z\u{7}", &"Z".repeat(65)] {
            let subject = vec![(DnType::CommonName, strange.into())];
            assert_eq!(name(subject), Err(CertificateFault::Name), "{strange:?}");
        }
        let wide = DnValue::BmpString("ZD1".try_into().unwrap());
        assert_eq!(name(vec![(DnType::CommonName, wide)]), Err(CertificateFault::Name));
    }

    #[test]
    fn the_end_of_its_validity_is_read() {
        let facts = Facts::read(&certificate(Vec::new())).unwrap();
        assert_eq!(facts.ends_s, 1_893_456_000);
        assert!(Facts::read(&vec![0x30; MAX_BYTES + 1]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_no_certificate_is_refused(
            cut in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let whole = certificate(vec![(DnType::CommonName, "ZD1".into())]);
            prop_assert!(Facts::read(&whole[..cut.index(whole.len())]).is_err());
            let mut changed = whole;
            let at = at.index(changed.len());
            changed[at] = byte;
            // It may still be one; it must not panic.
            let _read = Facts::read(&changed).and_then(Facts::name);
        }
    }
}
