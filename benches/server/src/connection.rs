//! One connection: requests in, answers out, until the client closes it.

use std::{io, ops::ControlFlow};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    answer::{Answer, Answers},
    request::Request,
};

const READ_AT_LEAST: usize = 16 * 1024;

pub(crate) async fn serve(mut socket: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        received.reserve(READ_AT_LEAST);
        if socket.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let mut taken = 0;
        while let Some((request, length)) = Request::parse(&received[taken..]) {
            taken += length;
            if send(&mut socket, answers.to(&request)).await?.is_break() {
                return silence(socket).await;
            }
        }
        received.drain(..taken);
    }
}

async fn send(socket: &mut TcpStream, answer: Answer) -> io::Result<ControlFlow<()>> {
    match answer {
        Answer::Whole(bytes) => socket.write_all(&bytes).await?,
        Answer::Long(head, body) => {
            socket.write_all(&head).await?;
            socket.write_all(&body).await?;
        }
        Answer::Pieces(head, pieces) => {
            socket.write_all(&head).await?;
            for piece in pieces.iter() {
                socket.write_all(piece).await?;
            }
        }
        Answer::None => return Ok(ControlFlow::Break(())),
    }
    Ok(ControlFlow::Continue(()))
}

/// Until the client goes.
async fn silence(mut socket: TcpStream) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while socket.read(&mut ignored).await? > 0 {}
    Ok(())
}
