//! The names of keys and fields in Redis.

use std::{borrow::Cow, sync::Arc};

use super::{
    counts::MEASURES,
    day::{Day, Month},
};

/// What names the books of a pool.
#[derive(Debug)]
pub(super) struct Names {
    /// What stands in the braces of all keys but those that other programs read.
    tag: String,
    /// Put before the keys that other programs read.
    prefix: Arc<str>,
}

impl Names {
    pub(super) fn new(pool: &str, prefix: Arc<str>) -> Self {
        let mut name = pool.replace('%', "%25");
        // Braces end the tag; a colon ends the pool's name, so that no pool can have the books of another.
        for (what, escaped) in [('{', "%7B"), ('}', "%7D"), (':', "%3A")] {
            name = name.replace(what, escaped);
        }
        Names {
            tag: format!("{name}:usage"),
            prefix,
        }
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// The hash with the usage of a day.
    pub(super) fn usage(&self, day: Day) -> Arc<str> {
        format!("orm:{{{}}}:{day}", self.tag).into()
    }

    /// The hash with what was spent in a day.
    pub(super) fn spent_in_day(&self, day: Day) -> Arc<str> {
        format!("orm:{{{}}}:spent:{day}", self.tag).into()
    }

    /// The hash with what was spent in a month.
    pub(super) fn spent_in_month(&self, month: Month) -> Arc<str> {
        format!("orm:{{{}}}:spent:{month}", self.tag).into()
    }

    /// The hash with what each process has reserved.
    pub(super) fn reserved(&self) -> String {
        format!("orm:{{{}}}:reserved", self.tag)
    }

    /// The three counters that other programs read.
    pub(super) fn read_by_others(&self, account: &str, kind: &str) -> [Arc<str>; 3] {
        let prefix = &self.prefix;
        [
            format!("{prefix}{account}:tokensUsed").into(),
            format!("{prefix}{kind}:tokensUsed").into(),
            format!("{prefix}{kind}:tokensUsed:{account}").into(),
        ]
    }

    /// The key of what was last known to be left; `what` is `tokens` or `requests`.
    pub(super) fn availability(&self, account: &str, what: &str) -> String {
        format!("{}{account}:availability:{what}", self.prefix)
    }
}

/// The key where a writer's last totals stand, in the slot of its counters.
pub(super) fn reported(tag: &str, writer: &str) -> String {
    format!("orm:{{{tag}}}:reported:{writer}")
}

/// The field of a day's hash: `org_1 gpt-4o chat requests`. Labels hold no space.
pub(super) fn field(account: &str, model: &str, kind: &str, measure: &str) -> String {
    format!("{account} {} {} {measure}", escaped(model), escaped(kind))
}

/// Account, model, type and the measure's index, read of a field; `None` for what is no such field.
pub(super) fn read_field(field: &str) -> Option<(&str, String, String, usize)> {
    let mut words = field.split(' ');
    let (account, model, kind) = (words.next()?, words.next()?, words.next()?);
    let measure = words.next()?;
    if words.next().is_some() {
        return None;
    }
    let measure = MEASURES.iter().position(|name| *name == measure)?;
    Some((account, unescaped(model), unescaped(kind), measure))
}

/// A name without spaces: these, percent signs and control characters as their bytes in hexadecimal.
fn escaped(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !(c == '%' || c.is_whitespace() || c.is_control());
    if name.chars().all(is_plain) {
        return name.into();
    }
    let mut text = String::with_capacity(name.len() + 8);
    let mut bytes = [0; 4];
    for c in name.chars() {
        match is_plain(c) {
            true => text.push(c),
            false => {
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    text.into()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(..2).map(|code| u8::from_str_radix(code, 16));
        rest = match code {
            Some(Ok(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            // Somebody else wrote it.
            _ => {
                bytes.push(b'%');
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    #[test]
    fn keys_are_readable_and_no_two_pools_share_any() {
        let names = Names::new("shop", "app:".into());
        let day = Day::of(1_795_478_400_000.0);
        assert_eq!(&*names.usage(day), "orm:{shop:usage}:2026-11-24");
        assert_eq!(
            &*names.spent_in_month(day.month()),
            "orm:{shop:usage}:spent:2026-11"
        );
        assert_eq!(
            names
                .read_by_others("org_1", "chat")
                .each_ref()
                .map(|key| &**key),
            [
                "app:org_1:tokensUsed",
                "app:chat:tokensUsed",
                "app:chat:tokensUsed:org_1"
            ]
        );
        assert_eq!(
            names.availability("org_1", "tokens"),
            "app:org_1:availability:tokens"
        );
        assert_eq!(
            Names::new("a:{b}%", "".into()).tag(),
            "a%3A%7Bb%7D%25:usage"
        );
    }

    #[test]
    fn a_field_is_readable() {
        let text = field("org_1", "gpt-4o", "chat", "requests");
        assert_eq!(text, "org_1 gpt-4o chat requests");
        assert_eq!(
            field("a", "my model", "50%", "tokens"),
            "a my%20model 50%25 tokens"
        );
        for nonsense in ["", "a b c", "a b c d", "a b c tokens e"] {
            assert_eq!(read_field(nonsense), None, "{nonsense}");
        }
        assert_eq!(
            read_field("a %zz %C3 tokens"),
            Some(("a", "%zz".to_owned(), "\u{fffd}".to_owned(), 4))
        );
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn every_name_comes_back_out_of_a_field(model in "\\PC{1,20}|[ -~\u{0}-\u{20}é]{1,9}", kind in "[ %a-c\u{a0}]{1,9}") {
            let text = field("a", &model, &kind, "tokens");
            prop_assert_eq!(read_field(&text), Some(("a", model, kind, 4)));
        }
    }
}
