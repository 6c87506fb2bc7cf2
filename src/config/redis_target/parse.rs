//! From JSON to a target.

use std::{ops::RangeInclusive, path::PathBuf};

use serde_json::Value;

use super::{
    super::reader::{Field, Object},
    Address, Login, Place, RedisTarget, Secret, Sentinels, Tls,
};
use crate::error::{Code, Error, Result};

/// The kinds of places, of which a target names one.
const PLACES: [&str; 4] = ["tcp", "unix", "sentinel", "cluster"];

/// TCP's ports.
const PORTS: RangeInclusive<i32> = 1..=65_535;

impl RedisTarget {
    /// A target from the JSON that `js/redis-source.js` writes.
    pub fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "`redis` is not valid JSON"))?;
        let root = Field::root("redis", &value, Code::Argument);
        let object = root.object(&[
            "tcp",
            "unix",
            "sentinel",
            "cluster",
            "username",
            "password",
            "database",
            "tls",
            "keyPrefix",
        ])?;
        let place = place(&root, &object)?;
        let database = match object.get("database") {
            Some(number) => number.whole(0, i32::MAX)?.unsigned_abs(),
            None => 0,
        };
        if database != 0 && matches!(place, Place::Cluster(_)) {
            return Err(root.wrong("cannot have a `database` but 0 on a cluster"));
        }
        Ok(RedisTarget {
            place,
            login: login(&object)?,
            database,
            tls: object.get("tls").map(|tls| Tls::parse(&tls)).transpose()?,
            key_prefix: match object.get("keyPrefix") {
                Some(prefix) => prefix.text()?.into(),
                None => "".into(),
            },
        })
    }
}

fn place(root: &Field<'_>, object: &Object<'_>) -> Result<Place> {
    let mut named = PLACES
        .iter()
        .filter_map(|kind| Some((*kind, object.get(kind)?)));
    let (Some((kind, field)), None) = (named.next(), named.next()) else {
        return Err(root.wrong(format!("must name one of {}", PLACES.join(", "))));
    };
    match kind {
        "tcp" => Ok(Place::Tcp(address(&field)?)),
        "unix" => Ok(Place::Unix(PathBuf::from(field.text()?))),
        "cluster" => Ok(Place::Cluster(addresses(&field)?)),
        _ => Ok(Place::Sentinel(sentinels(&field)?)),
    }
}

fn sentinels(field: &Field<'_>) -> Result<Sentinels> {
    let object = field.object(&["nodes", "master", "username", "password", "tls"])?;
    Ok(Sentinels {
        addresses: addresses(&object.required("nodes"))?,
        master: object.required("master").text()?.to_owned(),
        login: login(&object)?,
        tls: object.get("tls").map(|tls| Tls::parse(&tls)).transpose()?,
    })
}

fn login(object: &Object<'_>) -> Result<Login> {
    let username = object.get("username").map(|name| name.text()).transpose()?;
    let password = object
        .get("password")
        .map(|secret| secret.hidden())
        .transpose()?;
    Ok(Login {
        username: username.map(str::to_owned),
        password: password.map(|text| Secret(text.into())),
    })
}

/// In order and each once, so that targets that name the same servers are equal.
fn addresses(field: &Field<'_>) -> Result<Vec<Address>> {
    let mut addresses: Vec<Address> = field
        .elements()?
        .iter()
        .map(address)
        .collect::<Result<_>>()?;
    if addresses.is_empty() {
        return Err(field.wrong("must hold at least one host and port"));
    }
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

fn address(field: &Field<'_>) -> Result<Address> {
    let object = field.object(&["host", "port"])?;
    let port = object.required("port");
    Ok(Address {
        host: object.required("host").text()?.to_owned(),
        port: u16::try_from(port.whole(*PORTS.start(), *PORTS.end())?)
            .map_err(|_| port.must_be("a port"))?,
    })
}
