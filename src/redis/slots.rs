//! Which server of a cluster has which keys.

use std::borrow::Cow;

use redis::{Arg, Cmd, Value};

use super::server::address_of;
use crate::config::redis_target::Address;

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// The slot of the first key of a command; `None` for a command without one, which any server can run.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    let arguments = || {
        command.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes,
            // A cursor, and whatever else may come, is no key.
            _ => b"",
        })
    };
    let name = arguments().next()?.to_ascii_uppercase();
    // Scripts and functions say how many keys follow.
    let key = match name.as_slice() {
        b"EVAL" | b"EVALSHA" | b"FCALL" => match arguments().nth(2) {
            Some(b"0") | None => None,
            Some(_) => arguments().nth(3),
        },
        _ => arguments().nth(1),
    };
    key.map(slot)
}

/// What in the first braces of another key puts that into the slot of this one.
pub fn tag_of(key: &str) -> Cow<'_, str> {
    if let Some(tag) = tag_in(key.as_bytes()) {
        // Between two braces, which are characters of their own.
        return String::from_utf8_lossy(tag);
    }
    if !key.is_empty() && !key.contains('}') {
        return key.into();
    }
    // The key's own text would end too early. Numbers reach every slot soon, so the first one that fits is some thousands at most.
    let wanted = slot(key.as_bytes());
    let numbers = (0_u64..).map(|number| number.to_string());
    let mut fitting = numbers.filter(|number| slot(number.as_bytes()) == wanted);
    fitting.next().unwrap_or_default().into()
}

/// The slot of a key: of its tag, where it has one, else of the whole key.
fn slot(key: &[u8]) -> u16 {
    crc16(tag_in(key).unwrap_or(key)) % SLOTS
}

/// The part in a key's first braces, if there is anything in them.
fn tag_in(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let inner = &key[open + 1..];
    let close = inner.iter().position(|byte| *byte == b'}')?;
    (close > 0).then(|| &inner[..close])
}

/// CRC-16/XMODEM, as the cluster specification has it (redis.io/docs/reference/cluster-spec, appendix A).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

/// Ranges of slots with the masters that have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// First and last slot, in order.
    ranges: Vec<(u16, u16, Address)>,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`, given by `teller`, whose own host the answer can leave out. `None` where it is
    /// something else.
    pub(super) fn read(answer: &Value, teller: &Address) -> Option<Self> {
        let Value::Array(ranges) = answer else {
            return None;
        };
        let mut ranges: Vec<_> = ranges
            .iter()
            .map(|range| {
                let Value::Array(range) = range else {
                    return None;
                };
                let [
                    Value::Int(first),
                    Value::Int(last),
                    Value::Array(master),
                    ..,
                ] = &range[..]
                else {
                    return None;
                };
                let mut master = master.clone();
                if let Some(host @ Value::Nil) = master.first_mut() {
                    *host = Value::SimpleString(String::new());
                }
                let address = at_host_of(teller, address_of(&master)?);
                Some((
                    u16::try_from(*first).ok()?,
                    u16::try_from(*last).ok()?,
                    address,
                ))
            })
            .collect::<Option<_>>()?;
        ranges.sort();
        Some(SlotMap { ranges })
    }

    /// Who has a slot.
    pub(super) fn master(&self, slot: u16) -> Option<&Address> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, master) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then_some(master)
    }

    /// Every master, some more than once.
    pub(super) fn masters(&self) -> impl Iterator<Item = &Address> {
        self.ranges.iter().map(|(.., master)| master)
    }
}

/// Where a slot is, as `MOVED` and `ASK` tell it: `3999 127.0.0.1:6381`.
pub(super) fn redirection(detail: &str, teller: &Address) -> Option<Address> {
    let (_, place) = detail.split_once(' ')?;
    // An IPv6 address has colons as well.
    let (host, port) = place.trim().rsplit_once(':')?;
    let told = Address {
        host: host.to_owned(),
        port: port.parse().ok()?,
    };
    Some(at_host_of(teller, told))
}

/// A server that does not know its own host leaves it out (or says `?`): it is the one where it was asked.
fn at_host_of(teller: &Address, told: Address) -> Address {
    match told.host.as_str() {
        "" | "?" => Address {
            host: teller.host.clone(),
            ..told
        },
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As `CLUSTER KEYSLOT` of Redis 7.0.15 says.
        for (key, number) in [
            ("foo", 12_182),
            ("{user1000}.following", 3_443),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
            ("", 0),
        ] {
            assert_eq!(slot(key.as_bytes()), number, "{key}");
        }
    }

    #[test]
    fn every_key_has_a_tag_that_leads_to_its_slot() {
        for (key, tag) in [
            ("org_1:tokensUsed", Some("org_1:tokensUsed")),
            ("{app}:org_1:tokensUsed", Some("app")),
            ("a{b:tokensUsed", Some("a{b:tokensUsed")),
            ("{ü}x", Some("ü")),
            ("a}b", None),
            ("{}a", None),
            ("", None),
        ] {
            let found = tag_of(key);
            assert!(tag.is_none_or(|tag| tag == found), "{key}: {found}");
            let other = format!("orm:{{{found}}}:reported");
            assert_eq!(slot(other.as_bytes()), slot(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn the_first_key_of_a_command_is_found() {
        let foo = Some(12_182);
        assert_eq!(slot_of(cmd("GET").arg("foo")), foo);
        assert_eq!(
            slot_of(cmd("evalsha").arg("sha").arg(2).arg("foo").arg("bar")),
            foo
        );
        assert_eq!(slot_of(cmd("EVAL").arg("return 1").arg(0).arg("foo")), None);
        assert_eq!(slot_of(&cmd("PING")), None);
    }

    #[test]
    fn the_map_tells_who_has_a_slot() {
        let range = |first, last, host: Value, port| {
            let master = Value::Array(vec![host, Value::Int(port)]);
            Value::Array(vec![Value::Int(first), Value::Int(last), master])
        };
        let named = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let answer = Value::Array(vec![
            range(8000, 16_383, named("b"), 2),
            range(0, 4000, Value::Nil, 1),
        ]);
        let map = SlotMap::read(&answer, &at("teller", 9)).unwrap();
        assert_eq!(map.master(0), Some(&at("teller", 1)));
        assert_eq!(map.master(4000), Some(&at("teller", 1)));
        assert_eq!(map.master(4001), None);
        assert_eq!(map.master(16_383), Some(&at("b", 2)));
        assert_eq!(SlotMap::read(&Value::Okay, &at("teller", 9)), None);
    }

    #[test]
    fn redirections_are_read_with_and_without_a_host() {
        let teller = at("teller", 9);
        assert_eq!(
            redirection("3999 127.0.0.1:6381", &teller),
            Some(at("127.0.0.1", 6381))
        );
        assert_eq!(redirection("3999 ::1:6381", &teller), Some(at("::1", 6381)));
        assert_eq!(redirection("3999 :6381", &teller), Some(at("teller", 6381)));
        assert_eq!(redirection("nonsense", &teller), None);
    }
}
