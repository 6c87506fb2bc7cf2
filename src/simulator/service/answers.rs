//! Answers with their headers: OpenAI's errors, scripted answers, replies.

use bytes::Bytes;
use hyper::HeaderMap;

use super::flow::{Service, Visit};
use crate::simulator::errors::{ApiError, Subject, gateway_page, name_for_status};
use crate::simulator::faults::{Scripted, ScriptedBody};
use crate::simulator::headers;
use crate::simulator::limits::Readings;
use crate::simulator::work::Body;

pub(super) const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// What is sent back, and when.
#[derive(Debug)]
pub(in crate::simulator) struct Answer {
    pub(in crate::simulator) status: u16,
    pub(in crate::simulator) headers: HeaderMap,
    pub(in crate::simulator) body: Body,
    /// Milliseconds until it is sent.
    pub(in crate::simulator) delay_ms: f64,
}

impl Service {
    pub(super) fn scripted(
        &self,
        visit: &Visit<'_>,
        scripted: &Scripted,
        model: &str,
        readings: Option<&Readings>,
        delay_ms: f64,
    ) -> Answer {
        let subject = self.subject(visit, model);
        let (content_type, text, wait_ms) = match &scripted.body {
            ScriptedBody::Verbatim { text, content_type } => {
                (*content_type, Bytes::from(text.clone()), None)
            }
            body => {
                let (page, name) = match body {
                    ScriptedBody::Named(name) => (None, *name),
                    _ => (
                        gateway_page(scripted.status),
                        name_for_status(scripted.status),
                    ),
                };
                let error = ApiError::named(name, &subject);
                match (page, error) {
                    (Some(page), _) => (HTML, Bytes::from(page), None),
                    (None, Some(error)) => (JSON, Bytes::from(error.body()), error.wait_ms),
                    (None, None) => (JSON, Bytes::new(), None),
                }
            }
        };
        let body = Body::Whole(text);
        let mut answer = self.own(
            visit,
            scripted.status,
            content_type,
            body,
            readings,
            delay_ms,
        );
        if let Some(wait) = wait_ms {
            headers::retry_after(&mut answer.headers, wait);
        }
        for (name, value) in &scripted.headers {
            answer.headers.insert(name, value.clone());
        }
        answer
    }

    pub(super) fn error(
        &self,
        visit: &Visit<'_>,
        error: &ApiError,
        readings: Option<&Readings>,
        delay_ms: f64,
    ) -> Answer {
        let body = Body::Whole(Bytes::from(error.body()));
        let mut answer = self.own(visit, error.status, JSON, body, readings, delay_ms);
        if let Some(wait) = error.wait_ms {
            headers::retry_after(&mut answer.headers, wait);
        }
        answer
    }

    /// An answer with the headers of its account.
    pub(super) fn own(
        &self,
        visit: &Visit<'_>,
        status: u16,
        content_type: &'static str,
        body: Body,
        readings: Option<&Readings>,
        delay_ms: f64,
    ) -> Answer {
        let desk = &self.desks[visit.account];
        let mut headers = headers::usual(&visit.request_id, content_type);
        headers::owner(&mut headers, &desk.organization, &desk.project);
        headers::processing(&mut headers, delay_ms);
        if let Some(readings) = readings {
            headers::rate_limits(&mut headers, readings);
        }
        Answer {
            status,
            headers,
            body,
            delay_ms,
        }
    }

    pub(super) fn subject<'a>(&'a self, visit: &'a Visit<'_>, model: &'a str) -> Subject<'a> {
        let account = &self.settings.accounts[visit.account];
        Subject {
            organization: &account.organization,
            project: &account.project,
            model,
            api_key: account.api_key.as_deref().unwrap_or_default(),
            request_id: &visit.request_id,
        }
    }
}

/// An answer to somebody who is no account, at once.
pub(super) fn plain(status: u16, headers: HeaderMap, body: Body) -> Answer {
    Answer {
        status,
        headers,
        body,
        delay_ms: 0.0,
    }
}
