//! The errors that a script can ask for by name or by status.

use super::api_error::{ApiError, INVALID, Subject};

/// Names of the errors that a script can ask for.
pub(in crate::simulator) const NAMES: [&str; 18] = [
    "bad_request",
    "context_length_exceeded",
    "invalid_api_key",
    "account_deactivated",
    "unsupported_country_region_territory",
    "model_not_allowed",
    "model_not_found",
    "request_timeout",
    "conflict",
    "rate_limit_exceeded",
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "slow_down",
    "server_error",
    "server_is_overloaded",
];

/// The status of the error of this name.
pub(in crate::simulator) fn status_of(name: &str) -> u16 {
    let nobody = Subject {
        organization: "",
        project: "",
        model: "",
        api_key: "",
        request_id: "",
    };
    ApiError::named(name, &nobody).map_or(500, |error| error.status)
}

/// The name of the error that a bare status most often stands for.
pub(in crate::simulator) fn name_for_status(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        403 => "unsupported_country_region_territory",
        404 => "model_not_found",
        408 => "request_timeout",
        409 => "conflict",
        429 => "rate_limit_exceeded",
        503 => "server_is_overloaded",
        500.. => "server_error",
        _ => "bad_request",
    }
}

/// Out of money: the error type is the same for every code.
fn quota(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(429, "insufficient_quota", Some(code), message)
}

/// The page that stands before OpenAI answers 502 and 520 … 529 with, as HTML.
pub(in crate::simulator) fn gateway_page(status: u16) -> Option<String> {
    let title = match status {
        502 => "502 Bad Gateway".to_owned(),
        520..=529 => format!("api.openai.com | {status}: Web server is returning an unknown error"),
        _ => return None,
    };
    Some(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    ))
}

impl ApiError {
    /// The error that a script asks for by its name in [`NAMES`].
    pub(in crate::simulator) fn named(name: &str, subject: &Subject<'_>) -> Option<ApiError> {
        let Subject {
            organization,
            project,
            model,
            api_key,
            request_id,
        } = subject;
        Some(match name {
            "bad_request" => ApiError::new(
                400,
                INVALID,
                None,
                "Invalid request. Please check the parameters of your request.",
            ),
            "context_length_exceeded" => ApiError::new(
                400,
                INVALID,
                Some("context_length_exceeded"),
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 \
                 tokens. Please reduce the length of the messages.",
            )
            .about("messages"),
            "invalid_api_key" => ApiError::invalid_api_key(api_key),
            "account_deactivated" => ApiError::new(
                401,
                INVALID,
                Some("account_deactivated"),
                "The OpenAI account associated with this API key has been deactivated.",
            ),
            "unsupported_country_region_territory" => ApiError::new(
                403,
                "request_forbidden",
                Some("unsupported_country_region_territory"),
                "Country, region, or territory not supported",
            ),
            "model_not_allowed" => ApiError::new(
                403,
                INVALID,
                Some("model_not_found"),
                format!("Project `{project}` does not have access to model `{model}`"),
            ),
            "model_not_found" => ApiError::model_not_found(model),
            "request_timeout" => ApiError::new(408, "server_error", None, "Request timed out."),
            "conflict" => ApiError::new(
                409,
                INVALID,
                None,
                "The resource was updated by another request. Please try again.",
            ),
            "rate_limit_exceeded" => ApiError::new(
                429,
                "tokens",
                Some("rate_limit_exceeded"),
                format!(
                    "Rate limit reached for {model} in organization {organization} on tokens per min (TPM): \
                     Limit 30000, Used 30000, Requested 500. Please try again in 1s. \
                     Visit https://platform.openai.com/account/rate-limits to learn more."
                ),
            )
            .retry_after(1_000.0),
            "insufficient_quota" => quota(
                "insufficient_quota",
                "You exceeded your current quota, please check your plan and billing details. For more information \
                 on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            ),
            "credit_balance_exhausted" => quota(
                "credit_balance_exhausted",
                "You have no credits remaining. Add credits to continue using the API at \
                 https://platform.openai.com/settings/organization/billing.",
            ),
            "organization_usage_limit_exceeded" => quota(
                "organization_usage_limit_exceeded",
                "Your organization has reached its usage limit.",
            ),
            "organization_spend_limit_exceeded" => quota(
                "organization_spend_limit_exceeded",
                "Your organization has reached its spend limit.",
            ),
            "project_spend_limit_exceeded" => quota(
                "project_spend_limit_exceeded",
                "Your project has reached its spend limit.",
            ),
            "slow_down" => ApiError::new(
                429,
                "rate_limit_error",
                Some("slow_down"),
                "Your request rate rose too quickly. Please slow down and increase it gradually.",
            ),
            "server_error" => ApiError::new(
                500,
                "server_error",
                None,
                format!(
                    "The server had an error processing your request. Sorry about that! You can retry your request, \
                     or contact us through our help center at help.openai.com if you keep seeing this error. \
                     (Please include the request ID {request_id} in your email.)"
                ),
            ),
            "server_is_overloaded" => ApiError::new(
                503,
                "service_unavailable_error",
                Some("server_is_overloaded"),
                "The engine is currently overloaded, please try again later",
            ),
            _ => return None,
        })
    }
}
