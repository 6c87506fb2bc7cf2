//! Whose server an account is on, and what that asks for.

use std::collections::BTreeMap;

use super::{Account, reader::Field};
use crate::error::{Code, Error, Result};

/// Endings of an Azure resource's address that people copy along from its documentation; every path of ours begins with one.
const AZURE_ROOTS: [&str; 2] = ["/openai/v1", "/openai"];

/// Whose server an account is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// OpenAI itself, or a proxy in front of it.
    #[default]
    OpenAi,
    /// A resource of Azure OpenAI.
    Azure,
    /// Another server that speaks as OpenAI does.
    Compatible,
}

impl Kind {
    pub(super) fn parse(field: &Field<'_>) -> Result<Self> {
        match field.text()? {
            "openai" => Ok(Kind::OpenAi),
            "azure" => Ok(Kind::Azure),
            "compatible" => Ok(Kind::Compatible),
            _ => Err(field.must_be("'openai', 'azure' or 'compatible'")),
        }
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OpenAi => "openai",
            Kind::Azure => "azure",
            Kind::Compatible => "compatible",
        }
    }
}

/// The deployments that an account names: model → deployment, at least one.
pub(super) type Deployments = BTreeMap<String, String>;

pub(super) fn deployments(field: &Field<'_>) -> Result<Option<Deployments>> {
    let fields = field.entries("an object of models and their deployments")?;
    let named = |(model, name): (&str, Field<'_>)| Ok((model.to_owned(), deployment(&name)?));
    let named: Deployments = fields.iter().map(named).collect::<Result<_>>()?;
    if named.is_empty() {
        return Err(field.wrong(
            "names no deployment; leave it out where deployments are called as their models",
        ));
    }
    Ok(Some(named))
}

fn deployment(field: &Field<'_>) -> Result<String> {
    let text = field.text()?;
    // What Azure takes as a name; anything else would be another path.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.chars().all(fits) && !matches!(text, "." | "..") {
        true => Ok(text.to_owned()),
        false => Err(field.must_be("a deployment's name: letters, digits and - _ .")),
    }
}

/// The date of Azure's dated API. `v1` and its previews are not dated: their calls name no version.
pub(super) fn api_version(field: &Field<'_>) -> Result<Option<String>> {
    let text = field.text()?;
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let is_date = date.len() == 10
        && date.char_indices().all(|(at, c)| match at {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        });
    match is_date {
        true => Ok(Some(text.to_owned())),
        false => Err(field.must_be(
            "a date of Azure's API such as \"2024-10-21\" or \"2025-01-01-preview\" (leave it out for the v1 API)",
        )),
    }
}

/// The address of an Azure resource, below which every path of ours begins with `/openai`.
pub(super) fn azure_resource(base_url: &str) -> &str {
    let mut roots = AZURE_ROOTS.iter();
    let resource = roots.find_map(|root| base_url.strip_suffix(root));
    resource.unwrap_or(base_url)
}

impl Account {
    /// What fits no account of this kind is an error, as it would be sent to nobody.
    pub(super) fn check_kind(&self) -> Result<()> {
        let wrong = |what: &str| {
            let label = &self.label;
            Err(Error::new(
                Code::Config,
                format!("account \"{label}\": {what}"),
            ))
        };
        let names_deployments = self.deployments.is_some() || self.api_version.is_some();
        if names_deployments && self.kind != Kind::Azure {
            return wrong("`deployments` and `apiVersion` are only for kind 'azure'");
        }
        if self.kind == Kind::Azure && (self.organization.is_some() || self.project.is_some()) {
            return wrong("`organization` and `project` are OpenAI's, and not for kind 'azure'");
        }
        if self.kind != Kind::OpenAi && self.named_base_url.is_none() {
            return wrong(match self.kind {
                Kind::Azure => {
                    "kind 'azure' needs a `baseURL`, as \"https://my-resource.openai.azure.com\""
                }
                _ => "kind 'compatible' needs a `baseURL`, as \"http://localhost:8000/v1\"",
            });
        }
        Ok(())
    }

    /// Whether it has the model: where it names deployments, only those models.
    pub fn serves(&self, model: &str) -> bool {
        let named = self.deployments.as_ref();
        named.is_none_or(|named| named.contains_key(model))
    }

    /// What a model is called there: on Azure the deployment's name, which is the model's where none are named.
    pub fn name_of<'a>(&'a self, model: &'a str) -> &'a str {
        let named = self.deployments.as_ref();
        let name = named.and_then(|named| named.get(model));
        name.map_or(model, String::as_str)
    }
}
