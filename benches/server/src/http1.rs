//! A connection of HTTP/1.1: requests in, answers out, until the client closes it.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    answer::{Answer, Answers, Body, HEAD},
    request::Request,
};

const READ_AT_LEAST: usize = 16 * 1024;

/// Longer bodies are not copied to be sent with their head.
const SENT_WITH_HEAD: usize = 16 * 1024;

pub(crate) async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Answers,
) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        received.reserve(READ_AT_LEAST);
        if socket.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let mut taken = 0;
        while let Some((request, length)) = Request::parse(&received[taken..]) {
            taken += length;
            let answer = answers.to(request.path, &request.body);
            if send(&mut socket, answers, answer).await?.is_break() {
                return silence(socket).await;
            }
        }
        received.drain(..taken);
    }
}

async fn send(
    socket: &mut (impl AsyncWrite + Unpin),
    answers: &Answers,
    answer: Answer,
) -> io::Result<ControlFlow<()>> {
    let framing = match &answer.body {
        None => return Ok(ControlFlow::Break(())),
        Some(Body::Whole(body)) => format!("content-length: {}", body.len()),
        Some(Body::Pieces(_)) => "transfer-encoding: chunked".to_owned(),
    };
    let mut bytes = Vec::new();
    write!(
        bytes,
        "HTTP/1.1 {}\r\ncontent-type: {}\r\n{framing}\r\nx-request-id: {}\r\nconnection: keep-alive\r\n{HEAD}\r\n",
        answer.status,
        answer.kind,
        answers.id()
    )?;
    match answer.body {
        Some(Body::Whole(body)) if body.len() <= SENT_WITH_HEAD => bytes.extend_from_slice(&body),
        Some(Body::Whole(body)) => {
            socket.write_all(&bytes).await?;
            socket.write_all(&body).await?;
            return Ok(ControlFlow::Continue(()));
        }
        Some(Body::Pieces(pieces)) => {
            for piece in pieces.iter() {
                socket.write_all(&bytes).await?;
                bytes.clear();
                write!(bytes, "{:x}\r\n", piece.len())?;
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        None => {}
    }
    socket.write_all(&bytes).await?;
    Ok(ControlFlow::Continue(()))
}

/// Until the client goes.
async fn silence(mut socket: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while socket.read(&mut ignored).await? > 0 {}
    Ok(())
}
