//! Names of users and groups.

use std::collections::BTreeMap;

use super::page;
use crate::sys::user::User;

/// Names by number, looked up once each.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    pub(super) fn new() -> Self {
        let text = page("/etc/group").unwrap_or_default();
        let groups = text.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next()?, fields.nth(1)?);
            Some((number.parse().ok()?, name.to_owned()))
        });
        Self { users: BTreeMap::new(), groups: groups.collect() }
    }

    /// Both, as `ls` and `chown` write them.
    pub(super) fn owner(&mut self, uid: u32, gid: u32) -> String {
        let user = self.users.entry(uid).or_insert_with(|| User { uid, gid }.name());
        match self.groups.get(&gid) {
            Some(group) => format!("{user}:{group}"),
            None => format!("{user}:{gid}"),
        }
    }
}
