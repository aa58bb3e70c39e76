//! Addresses of this machine.

use std::{ffi::CStr, io, net::Ipv4Addr, ptr};

/// An address of a network interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface, such as `eth0`.
    pub interface: String,
    /// The address.
    pub ip: Ipv4Addr,
}

/// Addresses by which others reach this machine over IPv4, in the system's order; without those
/// of the loopback.
///
/// # Errors
///
/// When the system does not tell.
#[allow(unsafe_code)]
pub fn addresses() -> io::Result<Vec<Address>> {
    let mut first = ptr::null_mut();
    // SAFETY: the call makes the pointer, which outlives it, point to a list.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: the list ends with a null pointer, and its entries stay until they are freed below.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let is_up = entry.ifa_flags & libc::IFF_UP.cast_unsigned() != 0;
        // SAFETY: an address is null or begins with its family.
        let family = unsafe { entry.ifa_addr.as_ref() }.map(|address| address.sa_family);
        if !is_up || family.map(i32::from) != Some(libc::AF_INET) {
            continue;
        }
        // SAFETY: an address of that family is a `sockaddr_in`, and the name of an interface ends
        // with a zero.
        let (ip, name) = unsafe {
            let address = ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in>());
            (address.sin_addr.s_addr, CStr::from_ptr(entry.ifa_name))
        };
        let ip = Ipv4Addr::from(ip.to_ne_bytes());
        if !ip.is_loopback() {
            found.push(Address { interface: name.to_string_lossy().into_owned(), ip });
        }
    }
    // SAFETY: the list was made above and nothing points into it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn an_address_that_is_told_is_one_of_this_machine() {
        for Address { interface, ip } in addresses().unwrap() {
            assert!(!interface.is_empty() && !ip.is_loopback());
            // Only an own address can be bound to.
            UdpSocket::bind((ip, 0)).unwrap();
        }
    }
}
