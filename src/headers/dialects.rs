//! The names that servers give to the headers of a limit, and the window that goes with a name.

use http::HeaderName;

/// The headers of one limit in one dialect.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) limit: HeaderName,
    pub(super) remaining: Option<HeaderName>,
    pub(super) reset: Option<HeaderName>,
    pub(super) window: StatedWindow,
    /// A header without which these names mean something else.
    pub(super) only_with: Option<HeaderName>,
}

/// Where a server says the window of a limit.
#[derive(Debug)]
pub(super) enum StatedWindow {
    /// Nowhere.
    Unsaid,
    /// In a header of its own, in seconds; Azure sends it, OpenAI, Groq and xAI leave it out.
    Header(HeaderName),
    /// In the limit's name or in the documentation, in seconds.
    Seconds(f64),
}

/// Requests, the dialect to prefer first.
pub(super) static REQUESTS: [Dialect; 4] = [
    // OpenAI, Azure, Groq, xAI.
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit-requests"),
        remaining: Some(HeaderName::from_static("x-ratelimit-remaining-requests")),
        reset: Some(HeaderName::from_static("x-ratelimit-reset-requests")),
        window: StatedWindow::Header(HeaderName::from_static(
            "x-ratelimit-renewalperiod-requests",
        )),
        only_with: None,
    },
    // Mistral, which sends one or the other by model. Of both, the minute's is the one that lasts.
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit-req-minute"),
        remaining: Some(HeaderName::from_static("x-ratelimit-remaining-req-minute")),
        reset: None,
        window: StatedWindow::Seconds(60.0),
        only_with: None,
    },
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit-req-10-second"),
        remaining: Some(HeaderName::from_static(
            "x-ratelimit-remaining-req-10-second",
        )),
        reset: None,
        window: StatedWindow::Seconds(10.0),
        only_with: None,
    },
    // Together. Other servers count anything over any window under this name (OpenRouter 50 requests a day), so it is
    // read only beside the token limit that only Together names so. What was left of a second is past when the answer is
    // here, so only the limit is taken.
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit"),
        remaining: None,
        reset: None,
        window: TOGETHER_WINDOW,
        only_with: Some(HeaderName::from_static("x-tokenlimit-limit")),
    },
];

/// Tokens, the dialect to prefer first.
pub(super) static TOKENS: [Dialect; 3] = [
    // OpenAI, Azure, Groq, xAI.
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit-tokens"),
        remaining: Some(HeaderName::from_static("x-ratelimit-remaining-tokens")),
        reset: Some(HeaderName::from_static("x-ratelimit-reset-tokens")),
        window: StatedWindow::Header(HeaderName::from_static("x-ratelimit-renewalperiod-tokens")),
        only_with: None,
    },
    // Mistral. Its `-tokens-month` beside it is no bucket that refills while somebody waits, so it is left to its 429.
    Dialect {
        limit: HeaderName::from_static("x-ratelimit-limit-tokens-minute"),
        remaining: Some(HeaderName::from_static(
            "x-ratelimit-remaining-tokens-minute",
        )),
        reset: None,
        window: StatedWindow::Seconds(60.0),
        only_with: None,
    },
    // Together.
    Dialect {
        limit: HeaderName::from_static("x-tokenlimit-limit"),
        remaining: None,
        reset: None,
        window: TOGETHER_WINDOW,
        only_with: None,
    },
];

/// OpenAI's limit on a project's tokens, beside the organization's; sent only where it applies (OpenAI rate limit guide).
pub(super) static PROJECT_TOKENS: Dialect = Dialect {
    limit: HeaderName::from_static("x-ratelimit-limit-project-tokens"),
    remaining: Some(HeaderName::from_static(
        "x-ratelimit-remaining-project-tokens",
    )),
    reset: Some(HeaderName::from_static("x-ratelimit-reset-project-tokens")),
    window: StatedWindow::Unsaid,
    only_with: None,
};

/// Together counts per second ("the maximum number of requests per sec", docs.together.ai rate limits).
const TOGETHER_WINDOW: StatedWindow = StatedWindow::Seconds(1.0);
