//! Errors are values: a kind (what the outside should do), a stable code (also the i18n key), a sentence that is safe
//! to show, and an inner cause that is logged once and never leaves the process.

use std::time::Duration;

/// Result with the platform's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error; each maps to one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is malformed or breaks a rule of form (400).
    Invalid,
    /// Sign in first (401).
    Unauthenticated,
    /// Signed in, but not allowed (403).
    Forbidden,
    /// No such thing, or not visible to this caller (404).
    NotFound,
    /// The method does not exist here (405).
    Method,
    /// The state does not allow it, or it exists already (409).
    Conflict,
    /// Too many bytes (413).
    TooLarge,
    /// Wrong media type (415).
    Unsupported,
    /// Well formed, but cannot be done (422).
    Unprocessable,
    /// Too many requests; see `retry_after` (429).
    TooMany,
    /// Our fault (500).
    Internal,
    /// Not now; see `retry_after` (503).
    Unavailable,
}

impl Kind {
    /// The HTTP status of this kind.
    pub fn status(self) -> u16 {
        match self {
            Kind::Invalid => 400,
            Kind::Unauthenticated => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::Method => 405,
            Kind::Conflict => 409,
            Kind::TooLarge => 413,
            Kind::Unsupported => 415,
            Kind::Unprocessable => 422,
            Kind::TooMany => 429,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
        }
    }
}

/// The platform's error. Build it with the constructors, add context with [`Error::with`].
#[derive(Debug, Clone)]
pub struct Error(Box<Body>);

#[derive(Debug, Clone)]
struct Body {
    kind: Kind,
    code: &'static str,
    detail: String,
    context: Vec<(&'static str, String)>,
    inner: Option<String>,
    retry_after: Option<Duration>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => { $(
        $(#[$doc])*
        pub fn $name(code: &'static str, detail: impl Into<String>) -> Self {
            Self::new(Kind::$kind, code, detail)
        }
    )* };
}

impl Error {
    /// An error of any kind. `code` is dotted lower case, led by the noun: `case.place.outside`.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Body { kind, code, detail: detail.into(), context: Vec::new(), inner: None, retry_after: None }))
    }

    constructors! {
        /// 400: malformed input.
        invalid => Invalid;
        /// 401.
        unauthenticated => Unauthenticated;
        /// 403.
        forbidden => Forbidden;
        /// 404.
        not_found => NotFound;
        /// 409.
        conflict => Conflict;
        /// 413.
        too_large => TooLarge;
        /// 415.
        unsupported => Unsupported;
        /// 422.
        unprocessable => Unprocessable;
        /// 429; add [`Error::retry_after`].
        too_many => TooMany;
        /// 503; add [`Error::retry_after`].
        unavailable => Unavailable;
    }

    /// 500: a failure of ours. `doing` says what was being done; `cause` is only logged.
    pub fn internal(doing: &'static str, cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(Kind::Internal, "internal", "Something failed on our side. Nothing you sent was lost silently; please try again.");
        error.0.context.push(("doing", doing.to_string()));
        error.0.inner = Some(cause.to_string());
        error
    }

    /// Adds a named fact that helps the caller (field, limit, id). Never personal data.
    pub fn with(mut self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps the cause for the log.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.0.inner = Some(cause.to_string());
        self
    }

    /// When to try again, for 429 and 503.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
    /// The sentence safe to show.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    /// The added facts.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }
    /// The cause, for the log only.
    pub fn cause(&self) -> Option<&str> {
        self.0.inner.as_deref()
    }
    /// The wait, if one was given.
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)?;
        for (key, value) in &self.0.context {
            write!(f, " {key}={value}")?;
        }
        if let Some(cause) = &self.0.inner {
            write!(f, " (cause: {cause})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
