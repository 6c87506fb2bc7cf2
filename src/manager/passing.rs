//! Requests to any endpoint, passed on as they came: what we know of them is read, and nothing else is touched.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use super::{
    named::named_by,
    request::{Request, names, streaming, wrong},
};
use crate::{
    body::{Body, quoted},
    config::{Address, CallOptions, Field, Settings},
    error::{Code, Error, Result},
    tokens::Endpoint,
};

/// Whose limits count for requests that name no model: the first part of their path, of which no model is named.
const NO_MODEL: &str = "endpoint:";

/// Headers that are the account's or the connection's, not the caller's.
const OURS: [&str; 11] = [
    "authorization",
    "api-key",
    "openai-organization",
    "openai-project",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "user-agent",
    "cookie",
];

/// How a request is passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// Below the base URL; begins with a slash.
    pub path: String,
    /// What follows the question mark, if anything does.
    pub query: Option<String>,
    /// The caller's headers, but for those that are ours.
    pub headers: HeaderMap,
    /// Whether the caller can take the answer's body piece by piece.
    pub takes_pieces: bool,
}

impl Request {
    /// A request of this head (`{ method, path, headers, takesPieces }` as JSON) with any body.
    pub fn passing(
        head: &str,
        body: Bytes,
        options: CallOptions,
        settings: &Settings,
    ) -> Result<Self> {
        let route = Route::parse(head)?;
        let endpoint = route.endpoint();
        let text = std::str::from_utf8(&body).ok().filter(|_| route.is_json());
        let Some((text, mut fields)) = text.and_then(|text| Some((text, Body::parse(text).ok()?)))
        else {
            // What should be JSON and is not goes on as well: the server says best what is wrong with it.
            let name = route.first_segment();
            let endpoint = Endpoint::Other;
            let named = named_by(endpoint, &route.path, None);
            return Ok(Request::of_route(
                route, endpoint, &name, named, body, options,
            ));
        };
        let requested = fields.get::<String>("model");
        let Some(requested) = requested.filter(|model| !model.is_empty()) else {
            let name = route.first_segment();
            let named = named_by(endpoint, &route.path, Some(text));
            let body = body.clone();
            return Ok(Request::of_route(
                route, endpoint, &name, named, body, options,
            ));
        };
        let model = settings.sent_model(&requested);
        if model != requested {
            fields.set("model", quoted(model));
        }
        let streams = streaming(&mut fields, endpoint, "body")?;
        let changed = (model != requested || streams.hides_usage).then(|| fields.to_json());
        let (model, model_group) = names(model, settings);
        Ok(Request {
            endpoint,
            requested_model: requested,
            model,
            model_group,
            body: changed.map_or_else(|| body.clone(), Bytes::from),
            names: named_by(endpoint, &route.path, Some(text)),
            streams: streams.streams,
            hides_usage: streams.hides_usage,
            route: Some(route),
            counted: None,
            options,
        })
    }

    fn of_route(
        route: Route,
        endpoint: Endpoint,
        name: &str,
        names: Vec<String>,
        body: Bytes,
        options: CallOptions,
    ) -> Self {
        Request {
            endpoint,
            requested_model: String::new(),
            model: "".into(),
            model_group: format!("{NO_MODEL}{name}").into(),
            body,
            names,
            streams: false,
            hides_usage: false,
            route: Some(route),
            counted: None,
            options,
        }
    }
}

impl Route {
    fn parse(head: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(head)
            .map_err(|_| Error::new(Code::Argument, "the request's head is not valid JSON"))?;
        let root = Field::root("", &value, Code::Argument);
        let object = root.object(&["method", "path", "headers", "takesPieces"])?;
        let method = object.required("method");
        let method = Method::from_bytes(method.text()?.to_uppercase().as_bytes())
            .map_err(|_| method.must_be("an HTTP method"))?;
        let given = object.required("path");
        let path = given.text()?;
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let leads_up = |segment: &str| segment.to_ascii_lowercase().replace("%2e", ".") == "..";
        if path.split(['/', '\\']).any(leads_up) {
            return Err(wrong("path", "a path below the base URL", Some(path)));
        }
        let mut headers = HeaderMap::new();
        if let Some(given) = object.get("headers") {
            for (name, value) in given.entries("an object of headers")?.iter() {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| value.wrong("has a name that is no header's"))?;
                let text = HeaderValue::from_str(value.hidden()?)
                    .map_err(|_| value.wrong("is not fit for a header"))?;
                if !OURS.contains(&name.as_str()) {
                    headers.append(name, text);
                }
            }
        }
        let mut takes_pieces = false;
        object.set("takesPieces", &mut takes_pieces, false, Field::flag)?;
        Ok(Route {
            takes_pieces,
            method,
            path: format!("/{}", path.trim_start_matches('/')),
            query,
            headers,
        })
    }

    /// Adds what is the caller's to an account's address.
    pub(super) fn add_to(&self, address: &mut Address) {
        let base = address.url.path().trim_end_matches('/').to_owned();
        address.url.set_path(&format!("{base}{}", self.path));
        if let Some(query) = &self.query {
            let whole = match address.url.query() {
                Some(own) => format!("{own}&{query}"),
                None => query.clone(),
            };
            address.url.set_query(Some(&whole));
        }
        for name in self.headers.keys() {
            address.headers.remove(name);
        }
        for (name, value) in &self.headers {
            address.headers.append(name.clone(), value.clone());
        }
    }

    /// The endpoint, by which tokens are counted.
    fn endpoint(&self) -> Endpoint {
        match (&self.method, self.path.as_str()) {
            (&Method::POST, "/chat/completions") => Endpoint::Chat,
            (&Method::POST, "/completions") => Endpoint::Completions,
            (&Method::POST, "/embeddings") => Endpoint::Embeddings,
            (&Method::POST, "/responses") => Endpoint::Responses,
            _ => Endpoint::Other,
        }
    }

    fn first_segment(&self) -> String {
        let segment = self.path.split('/').nth(1);
        segment.unwrap_or_default().to_owned()
    }

    fn is_json(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE);
        // Without one it is what our requests are.
        kind.is_none_or(|kind| kind.to_str().is_ok_and(|kind| kind.contains("json")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(head: &str, body: &'static str) -> Result<Request> {
        let settings =
            Settings::parse(r#"{"accounts":{"a":"key"},"modelAliases":{"old":"gpt-5.4-mini"}}"#)
                .unwrap();
        Request::passing(head, body.into(), CallOptions::default(), &settings)
    }

    #[test]
    fn what_we_know_is_read_and_nothing_else_touched() {
        let head = r#"{"method":"post","path":"chat/completions","headers":{
            "Authorization":"Bearer theirs","X-Own":"1","content-type":"application/json; charset=utf-8"}}"#;
        let body = r#"{"model":"gpt-4o-2024-08-06", "messages":[ ]}"#;
        let request = passing(head, body).unwrap();
        assert_eq!(request.endpoint, Endpoint::Chat);
        assert_eq!(&*request.model_group, "gpt-4o");
        assert_eq!(request.body, body);
        let route = request.route.unwrap();
        assert_eq!(
            (route.method, route.path.as_str()),
            (Method::POST, "/chat/completions")
        );
        let names: Vec<_> = route.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 2);
        assert!(!names.contains(&"authorization"));
    }

    #[test]
    fn aliases_and_the_usage_of_streams_are_ours() {
        let head = r#"{"method":"POST","path":"/chat/completions"}"#;
        let request = passing(head, r#"{"model":"old","stream":true}"#).unwrap();
        assert!(request.streams && request.hides_usage);
        assert_eq!(
            request.body,
            r#"{"model":"gpt-5.4-mini","stream":true,"stream_options":{"include_usage":true}}"#
        );
    }

    #[test]
    fn other_endpoints_have_lanes_of_their_own() {
        let request = passing(r#"{"method":"GET","path":"/files?limit=3"}"#, "").unwrap();
        assert_eq!(&*request.model_group, "endpoint:files");
        assert_eq!(request.endpoint, Endpoint::Other);
        assert_eq!(request.route.unwrap().query.as_deref(), Some("limit=3"));
        let request = passing(
            r#"{"method":"POST","path":"/images/generations"}"#,
            r#"{"model":"gpt-image-1"}"#,
        );
        assert_eq!(&*request.unwrap().model_group, "gpt-image-1");
    }

    #[test]
    fn wrong_heads_are_named() {
        for (head, message) in [
            ("{}", "`method` must be"),
            (r#"{"method":"GET","path":"/a/../../b"}"#, "`path` must be"),
            (r#"{"method":"GET","path":"/a/%2E./b"}"#, "`path` must be"),
            (
                r#"{"method":"G T","path":"/a"}"#,
                "`method` must be an HTTP method",
            ),
            (
                r#"{"method":"GET","path":"/a","headers":{"a b":"c"}}"#,
                "header",
            ),
        ] {
            let error = passing(head, "").unwrap_err();
            assert!(error.message().contains(message), "{error}");
        }
    }
}
