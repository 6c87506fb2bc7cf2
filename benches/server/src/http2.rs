//! A connection of HTTP/2: many requests at once, each answered when it has come in whole.

use std::rc::Rc;

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderValue, Request, Response, header};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answer::{Answers, Body};

/// As many as servers of OpenAI's kind allow.
const MOST_STREAMS: u32 = 100;

pub(crate) async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    answers: Rc<Answers>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(MOST_STREAMS)
        .handshake::<_, Bytes>(socket)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let answers = answers.clone();
        // A client that takes its request back is no matter.
        tokio::task::spawn_local(async move {
            let _ = answer(request, respond, &answers).await;
        });
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answers: &Answers,
) -> Result<(), h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let answer = answers.to(head.uri.path().as_bytes(), &body);
    let Some(body) = answer.body else {
        return std::future::pending().await;
    };
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    *headers = answers.headers();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    let id = HeaderValue::try_from(answers.id()).expect("letters and digits");
    headers.insert("x-request-id", id);
    if let Body::Whole(body) = &body {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let mut sending = respond.send_response(response, false)?;
    match body {
        Body::Whole(body) => sending.send_data(body, true)?,
        Body::Pieces(pieces) => {
            for piece in pieces.iter() {
                sending.send_data(piece.clone(), false)?;
            }
            sending.send_data(Bytes::new(), true)?;
        }
    }
    Ok(())
}
