//! Answers that are made another one: pages of proxies, redirections, other words in errors.
//!
//! Owns what the body and the status become; refuses events, which are content.

use bytes::Bytes;
use serde_json::Value;

use super::super::{Kind, Piece, Plan};
use crate::script::{Fault, Framing, Redirect};

impl Plan {
    /// Makes the answer another one, before its content is looked at.
    pub(crate) fn recast(&mut self, fault: &Fault) {
        let mut done = Vec::new();
        if fault.status.is_some() {
            done.push("status");
        }
        let texts = [("message", &fault.message), ("error_type", &fault.error_type), ("error_code", &fault.error_code)];
        for (name, text) in texts {
            let field = name.strip_prefix("error_").unwrap_or(name);
            let said = text.as_ref().map(|text| self.reword(field, text));
            self.note(name, said, &mut done);
        }
        let headers = [
            ("retry_after", "retry-after", fault.retry_after.map(|wait| wait.as_millis().div_ceil(1000).to_string())),
            ("retry_after_ms", "retry-after-ms", fault.retry_after_ms.map(|wait| wait.to_string())),
            ("x_should_retry", "x-should-retry", fault.x_should_retry.map(|retry| retry.to_string())),
        ];
        for (name, header, value) in headers {
            if let Some(value) = value {
                self.set_header(header, value);
                done.push(name);
            }
        }
        let hidden = fault.status_200_with_error_body.then(|| std::mem::replace(&mut self.status, 200) >= 400);
        self.note("status_200_with_error_body", hidden, &mut done);
        if let Some(status) = fault.html_error_page {
            self.show_page(status);
            done.push("html_error_page");
        }
        let redirected =
            fault.redirect.as_ref().map(|redirect| fault.html_error_page.is_none() && self.redirect(redirect));
        self.note("redirect", redirected, &mut done);
        self.name_faults(&done);
    }

    /// Puts another text into the error of the body; says whether there is one.
    fn reword(&mut self, field: &str, text: &str) -> bool {
        let [piece] = self.pieces.as_mut_slice() else { return false };
        let Ok(mut body) = serde_json::from_slice::<Value>(&piece.bytes) else { return false };
        let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) else { return false };
        error.insert(field.to_owned(), text.into());
        piece.bytes = body.to_string().into();
        true
    }

    pub(super) fn set_header(&mut self, name: &'static str, value: String) {
        self.drop_header(name);
        self.headers.push((name.into(), value.into()));
    }

    pub(super) fn drop_header(&mut self, name: &str) -> bool {
        let before = self.headers.len();
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.len() < before
    }

    /// The page of a proxy that gave up: nothing of the provider is left.
    fn show_page(&mut self, status: u16) {
        let (server, page) = page(status);
        self.status = status;
        self.framing = Framing::ContentLength;
        self.headers = vec![("server".into(), server.into()), ("content-type".into(), "text/html".into())];
        self.pieces = vec![Piece { bytes: Bytes::from(page), kind: Kind::Content, ..Piece::default() }];
    }

    fn redirect(&mut self, Redirect { to, status }: &Redirect) -> bool {
        self.status = status.unwrap_or(307);
        self.framing = Framing::ContentLength;
        self.drop_header("content-type");
        self.set_header("location", to.clone());
        self.pieces.clear();
        true
    }
}

/// Whose page it is, and what it says: from 520 on those of a content network, else those of a web server.
fn page(status: u16) -> (&'static str, String) {
    if (520..=530).contains(&status) {
        let reason = match status {
            521 => "Web server is down",
            522 => "Connection timed out",
            523 => "Origin is unreachable",
            524 => "A timeout occurred",
            _ => "Web server is returning an unknown error",
        };
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>api | {status}: {reason}</title></head>\n\
             <body><h1>{reason} <span>Error code {status}</span></h1></body>\n</html>\n"
        );
        return ("cloudflare", page);
    }
    let title = format!("{status} {}", super::super::reason(status));
    let title = title.trim_end();
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    ("nginx", page)
}
