//! Canned answers of OpenAI, as fast as one thread can give them: so that what is measured is the client. For the exact server, with
//! limits and counted tokens, see `src/simulator`.
//!
//! It listens on a free port of loopback, and prints its address. Started with the name of a file it listens with TLS as well, prints
//! that address too, and leaves its certificate there. What the path begins with says how it answers:
//!
//! | path | answer |
//! |-|-|
//! | `/v1/…` | a chat completion of 0.9 KB, 100 events of one, or embeddings |
//! | `/errors/v1/…` | OpenAI's error of a wrong request |
//! | `/silent/v1/…` | none |
//!
//! A request costs it about 10 µs of CPU, nearly all of it in the kernel.

mod answer;
mod embeddings;
mod events;
mod http1;
mod http2;
mod request;
mod tls;

use std::{env, io, net::Ipv4Addr, path::PathBuf, rc::Rc};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};
use tokio_rustls::TlsAcceptor;

use crate::answer::Answers;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, listen())
}

async fn listen() -> io::Result<()> {
    let answers = Rc::new(Answers::new());
    if let Some(file) = env::args_os().nth(1).map(PathBuf::from) {
        let acceptor = tls::acceptor(&file)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("https://localhost:{}", listener.local_addr()?.port());
        let answers = answers.clone();
        spawn_local(async move {
            accept(&listener, |socket| {
                spawn_local(secured(socket, acceptor.clone(), answers.clone()));
            })
            .await
        });
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    accept(&listener, |socket| {
        let answers = answers.clone();
        spawn_local(async move { http1::serve(socket, &answers).await });
    })
    .await
}

async fn accept(listener: &TcpListener, serve: impl Fn(TcpStream)) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        serve(socket);
    }
}

/// A client that goes in the middle of something is no matter.
async fn secured(socket: TcpStream, acceptor: TlsAcceptor, answers: Rc<Answers>) {
    let Ok(socket) = acceptor.accept(socket).await else {
        return;
    };
    let _ = match socket.get_ref().1.alpn_protocol() {
        Some(b"h2") => http2::serve(socket, answers)
            .await
            .map_err(io::Error::other),
        _ => http1::serve(socket, &answers).await,
    };
}
