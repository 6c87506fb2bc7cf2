//! Served embeddings, and what goes back to JavaScript: a text, and beside it the numbers.

use std::{fmt::Write, ops::Range, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{apportion::apportion, assembly::Whole, form::Form};
use crate::{
    error::Result,
    manager::{End, Reply},
    usage::Usage,
    warning::Warning,
};

/// Embeddings of all inputs of a call, from one request or several.
#[derive(Debug, Clone)]
pub struct Embedded {
    pub(super) form: Form,
    pub(super) inputs: usize,
    pub(super) whole: Whole,
    /// At least one, in the order of the inputs; their bodies are in `whole`.
    pub(super) parts: Vec<(Range<usize>, Reply)>,
    /// How many calls the request was for, where it was for several: this is the share of one of them.
    pub(super) merged_calls: Option<usize>,
    /// What those who listen should know; `None` where nobody listens.
    pub(super) warnings: Option<Vec<Warning>>,
}

impl Embedded {
    /// The result of the class method: how it was served, and OpenAI's answer.
    pub fn into_class_result(self) -> End {
        let reply = self.reply();
        let mut told = reply.told_first(&self.served(&reply).to_string());
        let _ = write!(told, r#"{{"data":{}}}"#, reply.body_text());
        self.end(told)
    }

    /// The result of `createEmbeddings`, without the text, which JavaScript has.
    pub fn into_embeddings_result(self) -> End {
        let reply = self.reply();
        let served = reply
            .warnings
            .is_some()
            .then(|| self.served(&reply).to_string());
        let mut json = reply.drop_in_head("cost", served.as_deref());
        json.push_str(r#","embeddings":"#);
        match &self.whole {
            Whole::Floats { .. } => json.push_str("null"),
            Whole::Json(_) => json.push_str(&reply.embeddings_json()),
        }
        json.push('}');
        self.end(json)
    }

    /// The same for one who has joined the call: its events are told once, by whoever made it.
    pub(in crate::manager) fn coalesced(mut self) -> Self {
        for (_, reply) in &mut self.parts {
            reply.coalesced = true;
        }
        self.warnings = None;
        self
    }

    /// The share of one of several calls, at its place among their weights; the events of all are told once, by the first.
    pub(super) fn share(
        &self,
        place: usize,
        inputs: &Range<usize>,
        weights: &[u64],
    ) -> Result<Self> {
        if weights.len() == 1 {
            return Ok(self.clone());
        }
        let all = self.reply();
        let part_of = |sum: u64| apportion(sum, weights)[place];
        let usage = all.usage.map(|usage| Usage {
            input_tokens: part_of(usage.input_tokens),
            cached_input_tokens: part_of(usage.cached_input_tokens),
            cache_write_tokens: part_of(usage.cache_write_tokens),
            output_tokens: part_of(usage.output_tokens),
            total_tokens: part_of(usage.total_tokens),
        });
        let tokens_used = part_of(all.tokens_used);
        let part = tokens_used as f64 / all.tokens_used.max(1) as f64;
        let reply = Reply {
            body: Bytes::new(),
            usage,
            tokens_used,
            cost: all.cost.map(|cost| cost * part),
            ..all
        };
        Ok(Embedded {
            form: self.form,
            inputs: inputs.len(),
            whole: self.whole.share(inputs, self.inputs, usage.as_ref())?,
            parts: vec![(0..inputs.len(), reply)],
            merged_calls: Some(weights.len()),
            warnings: self.warnings.clone().filter(|_| place == 0),
        })
    }

    /// Adds where the numbers belong; `json` ends with an object that has fields.
    fn end(self, mut json: String) -> End {
        let Whole::Floats {
            dimensions, floats, ..
        } = self.whole
        else {
            return json.into();
        };
        json.pop();
        json.push_str(&format!(
            r#","vectors":{{"count":{},"dimensions":{dimensions},"as":"{}"}}}}"#,
            self.inputs,
            match self.form {
                Form::Float32 => "float32",
                _ => "numbers",
            },
        ));
        End {
            floats: Some(floats),
            ..json.into()
        }
    }

    /// All parts as one reply: the facts of the first one, the sums of all.
    fn reply(&self) -> Reply {
        let body = match &self.whole {
            Whole::Floats { head, .. } => Bytes::copy_from_slice(head.as_bytes()),
            Whole::Json(body) => body.clone(),
        };
        let (_, first) = &self.parts[0];
        let replies = || self.parts.iter().map(|(_, reply)| reply);
        let on_the_same = replies().filter(|reply| reply.account == first.account);
        Reply {
            body,
            usage: usage(replies()),
            tokens_used: replies().map(|reply| reply.tokens_used).sum(),
            cost: replies().map(|reply| reply.cost).sum(),
            tokens_left: on_the_same
                .filter_map(|reply| reply.tokens_left)
                .reduce(f64::min),
            // They wait side by side.
            waited: replies()
                .map(|reply| reply.waited)
                .fold(Duration::ZERO, Duration::max),
            attempts: replies().flat_map(|reply| reply.attempts.clone()).collect(),
            warnings: self.warnings.clone(),
            ..first.clone()
        }
    }

    fn served(&self, reply: &Reply) -> Value {
        let mut served = reply.facts().to_value();
        let (_, first) = &self.parts[0];
        let choice = first.facts().to_value();
        served["because"] = choice["because"].clone();
        served["candidates"] = choice["candidates"].clone();
        if let Some(calls) = self.merged_calls {
            served["mergedCalls"] = calls.into();
        }
        if self.parts.len() > 1 {
            let parts = self.parts.iter().map(|(inputs, reply)| {
                let mut part = reply.facts().to_value();
                part["firstInput"] = json!(inputs.start);
                part["inputs"] = json!(inputs.len());
                part
            });
            served["parts"] = parts.collect();
        }
        served
    }
}

/// What all used; `None` where one does not say.
pub(super) fn usage<'a>(replies: impl Iterator<Item = &'a Reply>) -> Option<Usage> {
    replies
        .map(|reply| reply.usage)
        .try_fold(Usage::default(), |sum, usage| {
            let usage = usage?;
            Some(Usage {
                input_tokens: sum.input_tokens.saturating_add(usage.input_tokens),
                cached_input_tokens: sum
                    .cached_input_tokens
                    .saturating_add(usage.cached_input_tokens),
                cache_write_tokens: sum
                    .cache_write_tokens
                    .saturating_add(usage.cache_write_tokens),
                output_tokens: sum.output_tokens.saturating_add(usage.output_tokens),
                total_tokens: sum.total_tokens.saturating_add(usage.total_tokens),
            })
        })
}
