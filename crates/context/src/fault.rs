//! The errors of NGSI-LD (CIM 009, table 6.3.2-1) as the platform's errors; `http` maps the codes back to their URIs.

use dothi_kernel::{Error, Kind};

/// The request's data do not meet the requirements.
pub const BAD_REQUEST_DATA: &str = "ngsi.bad-request-data";
/// The request is syntactically wrong.
pub const INVALID_REQUEST: &str = "ngsi.invalid-request";
/// Not found.
pub const NOT_FOUND: &str = "ngsi.not-found";
/// Exists already.
pub const EXISTS: &str = "ngsi.already-exists";
/// What is asked for contradicts a registration.
pub const CONFLICT: &str = "ngsi.conflict";
/// The platform does not do that.
pub const UNSUPPORTED: &str = "ngsi.operation-not-supported";
/// The query would cost too much.
pub const TOO_COMPLEX: &str = "ngsi.too-complex-query";
/// More rows asked for than a page may hold.
pub const TOO_MANY: &str = "ngsi.too-many-results";
/// A remote `@context` that is not known here.
pub const NO_CONTEXT: &str = "ngsi.context-not-available";
/// A tenant that does not exist.
pub const NO_TENANT: &str = "ngsi.no-such-tenant";

/// BadRequestData with a reason.
pub fn bad(detail: impl Into<String>) -> Error {
    Error::invalid(BAD_REQUEST_DATA, detail)
}

/// InvalidRequest with a reason.
pub fn invalid(detail: impl Into<String>) -> Error {
    Error::invalid(INVALID_REQUEST, detail)
}

/// ResourceNotFound.
pub fn missing(detail: impl Into<String>) -> Error {
    Error::not_found(NOT_FOUND, detail)
}

/// AlreadyExists.
pub fn exists(detail: impl Into<String>) -> Error {
    Error::conflict(EXISTS, detail)
}

/// TooComplexQuery.
pub fn complex(detail: impl Into<String>) -> Error {
    Error::new(Kind::Forbidden, TOO_COMPLEX, detail)
}

/// Shortens foreign text before it goes into an answer.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}
