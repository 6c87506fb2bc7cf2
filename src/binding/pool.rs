//! A manager as JavaScript holds it.

use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Either, Function, Promise};
use napi_derive::napi;

use super::{
    completions::{Completions, Shared},
    functions::Functions,
};
use crate::{
    config::{CallOptions, Environment, Kind, RedisTarget, Settings, UpdateOptions},
    error::Result,
    manager::{
        End, Manager, Need, Recorded, Reply, Request, Served, chat_request, embeddings_request,
        error_json, unix_ms,
    },
    tokens::Endpoint,
};

/// A manager and the queue on which its calls end.
#[napi]
pub struct Pool {
    manager: Arc<Manager>,
    completions: Arc<Shared>,
}

/// What a call asks of a pool. Its argument is JSON text.
#[napi(string_enum = "camelCase")]
#[derive(Clone, Copy)]
pub enum Operation {
    /// The drop-in chat.
    CreateChat,
    /// The drop-in embeddings.
    CreateEmbeddings,
    /// A chat completion in OpenAI's form.
    Chat,
    /// Embeddings in OpenAI's form.
    Embed,
    /// A response of the Responses API.
    Responses,
    /// Which account a request should use.
    DetermineKey,
    /// A request that the caller made by itself.
    Record,
    /// The state of the pool.
    Status,
    /// What was used.
    Usage,
    /// Ends when Redis has what was counted.
    Flush,
    /// Other settings from now on.
    Update,
    /// No more calls; ends when none is in flight.
    Close,
}

/// Where requests go.
#[napi(object, object_from_js = false)]
pub struct Place {
    /// Whose server it is: the `kind` of an account.
    pub kind: Option<&'static str>,
    /// The base URL of an account.
    pub base_url: Option<String>,
}

/// Makes a pool from a configuration's JSON text, and that of the Redis which it shares with others, if any; returns an error's JSON
/// text where one is wrong. `askKey(number)` resolves to what the function of this number gave: JSON text with a `key` or a `failure`.
#[napi]
pub fn open_pool(
    completions: &Completions,
    config: String,
    redis: Option<String>,
    ask_key: Function<'_, u32, Promise<String>>,
) -> napi::Result<Either<Pool, String>> {
    let functions = Functions::new(&ask_key)?;
    let settings = Settings::parse(&config);
    Ok(opened(
        completions,
        settings,
        redis.as_deref(),
        Some(functions),
    ))
}

/// Makes a pool from the environment's accounts; returns an error's JSON text where there are none.
#[napi]
pub fn open_pool_from_environment(
    completions: &Completions,
    api_key: Option<String>,
    api_keys: Option<String>,
    base_url: Option<String>,
    redis: Option<String>,
) -> Either<Pool, String> {
    let environment = Environment {
        api_key,
        api_keys,
        base_url,
    };
    let settings = Settings::from_environment(&environment);
    opened(completions, settings, redis.as_deref(), None)
}

fn opened(
    completions: &Completions,
    settings: Result<Settings>,
    redis: Option<&str>,
    functions: Option<Functions>,
) -> Either<Pool, String> {
    let manager = || {
        let target = redis.map(RedisTarget::parse).transpose()?;
        let manager = Manager::new(settings?, target.as_ref())?;
        Ok(match functions {
            Some(functions) => manager.with_key_functions(Arc::new(functions)),
            None => manager,
        })
    };
    match manager() {
        Ok(manager) => Either::A(Pool {
            manager: Arc::new(manager),
            completions: completions.shared(),
        }),
        Err(error) => Either::B(error_json(&error)),
    }
}

#[napi]
impl Pool {
    /// Whether something was counted that Redis has not acknowledged.
    #[napi]
    pub fn has_news(&self) -> bool {
        self.manager.has_news()
    }

    /// The base URLs of its accounts.
    #[napi]
    pub fn base_urls(&self) -> Vec<String> {
        let settings = self.manager.settings();
        let urls = settings.accounts.iter().map(|account| &account.base_url);
        urls.cloned().collect()
    }

    /// Where the requests of an account go; without one, or one that is not there any more, as far as all accounts have the same.
    #[napi]
    pub fn place(&self, account: Option<String>) -> Place {
        let settings = self.manager.settings();
        let accounts = &settings.accounts;
        let named = accounts
            .iter()
            .position(|known| account.as_deref() == Some(&*known.label));
        let those = named.map_or(&accounts[..], |at| &accounts[at..=at]);
        Place {
            kind: common(those.iter().map(|account| account.kind)).map(Kind::name),
            base_url: common(those.iter().map(|account| &account.base_url)).cloned(),
        }
    }

    /// The numbers of the functions that accounts get their keys from.
    #[napi]
    pub fn key_functions(&self) -> Vec<u32> {
        self.manager.settings().key_functions()
    }

    /// Starts a call; it ends on the pool's completions under `number`. `argument` and `options` are JSON text. Where it is
    /// `observed`, its end tells what the events need.
    #[napi]
    pub fn start(
        &self,
        number: i32,
        operation: Operation,
        argument: String,
        options: Option<String>,
        cancellable: bool,
        observed: bool,
    ) {
        // The future owns what it uses: this object may be freed before it ends.
        let manager = self.manager.clone();
        self.completions
            .run(number, cancellable, move || async move {
                run(&manager, operation, argument, options.as_deref(), observed).await
            });
    }

    /// Starts a call that passes a request on as it is: `head` is JSON, `body` its bytes. It ends as [`Pool::start`] says.
    #[napi]
    pub fn pass(
        &self,
        number: i32,
        head: String,
        body: Either<String, Buffer>,
        options: Option<String>,
        cancellable: bool,
        observed: bool,
    ) {
        let manager = self.manager.clone();
        let body = match body {
            Either::A(text) => text.into_bytes(),
            // Copied: the caller may write to it again.
            Either::B(bytes) => bytes.to_vec(),
        };
        self.completions
            .run(number, cancellable, move || async move {
                pass(&manager, &head, body, options.as_deref(), observed).await
            });
    }
}

/// A request as it came, to whatever endpoint.
async fn pass(
    manager: &Arc<Manager>,
    head: &str,
    body: Vec<u8>,
    options: Option<&str>,
    observed: bool,
) -> Result<End> {
    manager.follow();
    let settings = &*manager.settings();
    let options = options.map(|json| CallOptions::parse(json, settings, unix_ms()));
    let options = with_observed(options.transpose()?, observed);
    let request = Request::passing(head, body.into(), options, settings)?;
    Ok(end(manager.serve(&request).await?, Reply::to_passed_result))
}

async fn run(
    manager: &Arc<Manager>,
    operation: Operation,
    argument: String,
    options: Option<&str>,
    observed: bool,
) -> Result<End> {
    manager.follow();
    let settings = &*manager.settings();
    let drop_in = || {
        let options = options.map(CallOptions::parse_drop_in).transpose()?;
        Ok(with_observed(options, observed))
    };
    let of_class = || {
        let options = options.map(|json| CallOptions::parse(json, settings, unix_ms()));
        Ok(with_observed(options.transpose()?, observed))
    };
    match operation {
        Operation::CreateChat => {
            let request = chat_request(argument, drop_in()?, settings)?;
            Ok(end(manager.complete(request).await?, Reply::to_chat_result))
        }
        Operation::CreateEmbeddings => {
            let request = embeddings_request(argument, drop_in()?, settings)?;
            Ok(manager.embed(request).await?.into_embeddings_result())
        }
        Operation::Chat => {
            let request = Request::new(Endpoint::Chat, argument, of_class()?, settings)?;
            Ok(end(
                manager.complete(request).await?,
                Reply::to_class_result,
            ))
        }
        Operation::Embed => {
            let request = Request::new(Endpoint::Embeddings, argument, of_class()?, settings)?;
            Ok(manager.embed(request).await?.into_class_result())
        }
        Operation::Responses => {
            let request = Request::new(Endpoint::Responses, argument, of_class()?, settings)?;
            Ok(end(manager.serve(&request).await?, Reply::to_class_result))
        }
        Operation::DetermineKey => {
            let choice = manager.determine_key(&Need::parse(&argument)?).await?;
            Ok(choice.into())
        }
        Operation::Record => {
            Recorded::parse(&argument)?.enter(manager)?;
            Ok(nothing())
        }
        Operation::Status => Ok(manager.status(&Need::parse(&argument)?).await?.into()),
        Operation::Usage => Ok(manager.usage(&argument).await?.into()),
        Operation::Flush => {
            manager.flush().await;
            Ok(nothing())
        }
        Operation::Update => {
            let options = options.map(UpdateOptions::parse).transpose()?;
            manager
                .update(&argument, options.unwrap_or_default())
                .await?;
            Ok(nothing())
        }
        Operation::Close => {
            manager.close().await;
            Ok(nothing())
        }
    }
}

/// What all of them are, if they are the same.
fn common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// The end of a call that resolves to nothing.
fn nothing() -> End {
    "null".to_owned().into()
}

fn with_observed(options: Option<CallOptions>, observed: bool) -> CallOptions {
    CallOptions {
        observed,
        ..options.unwrap_or_default()
    }
}

/// A complete answer in the form that an operation gives it, or a stream.
fn end(served: Served, form: impl FnOnce(&Reply) -> String) -> End {
    match served {
        Served::Reply(reply) => form(&reply).into(),
        Served::Stream(stream) => stream.into(),
    }
}
