//! Canned answers of OpenAI, as fast as one thread can give them: so that what is measured is the client. For the exact server, with
//! limits and counted tokens, see `src/simulator`.
//!
//! It listens on a free port of loopback, and prints its address. What the path begins with says how it answers:
//!
//! | path | answer |
//! |-|-|
//! | `/v1/…` | a chat completion of 0.9 KB, 100 events of one, or embeddings |
//! | `/errors/v1/…` | OpenAI's error of a wrong request |
//! | `/silent/v1/…` | none |
//!
//! A request costs it about 10 µs of CPU, nearly all of it in the kernel.

mod answer;
mod connection;
mod embeddings;
mod events;
mod request;

use std::{io, net::Ipv4Addr, rc::Rc};

use tokio::{net::TcpListener, task::LocalSet};

use crate::answer::Answers;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, listen())
}

async fn listen() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let answers = Rc::new(Answers::default());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let answers = answers.clone();
        // A client that goes in the middle of something is no matter.
        tokio::task::spawn_local(async move {
            let _ = connection::serve(socket, &answers).await;
        });
    }
}
