//! Who listens at the ports that the config wants.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{
    super::facts::{Known, Listener},
    page, processes,
};

/// A socket that listens, as `proc_net_tcp` of proc(5) writes it.
const LISTENING: &str = "0A";

pub(in crate::cli::doctor) fn look(wanted: &[(String, SocketAddr)]) -> Known<Vec<Listener>> {
    // A kernel without version 6 has no such page.
    let (v4, v6) = (page("/proc/net/tcp")?, page("/proc/net/tcp6").unwrap_or_default());
    let all: Vec<_> = v4.lines().chain(v6.lines()).filter_map(listening).collect();
    let mut found = Vec::new();
    for (key, at) in wanted {
        let taken = all.iter().find(|(there, _)| clashes(*there, *at));
        found.extend(taken.map(|(_, inode)| (key.clone(), at.port(), inode.clone())));
    }
    let who = who(found.iter().map(|(.., inode)| inode));
    let listener = |(key, port, inode): (String, u16, String)| Listener {
        key,
        port,
        who: who.get(&socket(&inode)).cloned(),
    };
    Ok(found.into_iter().map(listener).collect())
}

/// Address and number of a socket that listens.
fn listening(line: &str) -> Option<(SocketAddr, String)> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let inode = fields.nth(5)?;
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == LISTENING).then_some((SocketAddr::new(host(address)?, port), inode.to_owned()))
}

/// An address: words of 32 bits as the processor has them.
fn host(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// Whether nobody can listen at one because somebody does at the other.
fn clashes(there: SocketAddr, wanted: SocketAddr) -> bool {
    let either_is_all = there.ip().is_unspecified() || wanted.ip().is_unspecified();
    there.port() == wanted.port()
        && (either_is_all || there.ip().to_canonical() == wanted.ip().to_canonical())
}

fn socket(inode: &str) -> PathBuf {
    format!("socket:[{inode}]").into()
}

fn who<'a>(inodes: impl Iterator<Item = &'a String>) -> BTreeMap<PathBuf, String> {
    let sockets: Vec<PathBuf> = inodes.map(|inode| socket(inode)).collect();
    if sockets.is_empty() {
        return BTreeMap::new();
    }
    let open = processes::open(|target| sockets.iter().any(|socket| socket == target));
    open.into_iter().map(|open| (open.target, open.who)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_is_found() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let at = listener.local_addr().unwrap();
            let key = || "broker.listen".to_owned();
            let mine = SocketAddr::new([127, 0, 0, 1].into(), at.port());
            let found = look(&[(key(), mine)]).unwrap();
            assert_eq!((found.len(), found[0].port), (1, at.port()));
            let me = std::process::id().to_string();
            assert!(found[0].who.as_ref().unwrap().contains(&me), "{found:?}");
            drop(listener);
            assert_eq!(look(&[(key(), mine)]).unwrap(), []);
        }
    }

    #[test]
    fn a_line_of_version_6_is_read() {
        let line = "  1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 \
                    0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 x";
        let (at, inode) = listening(line).unwrap();
        assert_eq!(inode, "4711");
        if cfg!(target_endian = "little") {
            assert_eq!(at, "[::1]:8080".parse().unwrap());
        }
    }
}
