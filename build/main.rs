//! Links the addon the way Node loads it, and writes the tables that `src/tokens` counts with: one for each vocabulary, and the
//! classes of characters.
//!
//! The addon includes them as they are, so a process has nothing to read or build before it counts, the system loads only the
//! pages that are looked at, and processes share those.

#[path = "../src/tokens/vocabulary/hash.rs"]
mod hash;

mod classes;
mod merges;
mod perfect;
mod vocabulary;

use std::{env, fs, path::Path};

fn main() {
    napi_build::setup();
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/tokens/vocabulary/hash.rs");
    let folder = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let write = |name: &str, table: Vec<u8>| {
        fs::write(Path::new(&folder).join(name), table).expect("OUT_DIR can be written");
    };
    write("classes", classes::table());
    for (name, tokenizer) in [
        ("r50k_base", tiktoken_rs::r50k_base()),
        ("p50k_base", tiktoken_rs::p50k_base()),
        ("cl100k_base", tiktoken_rs::cl100k_base()),
        ("o200k_base", tiktoken_rs::o200k_base()),
    ] {
        let tokenizer = tokenizer.expect("tiktoken-rs brings its vocabularies along");
        write(name, vocabulary::table(&vocabulary::tokens(&tokenizer)));
    }
}
