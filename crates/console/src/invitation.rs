//! What whoever invites somebody is shown: the link, this once. Called by `member` and `operator`.

use maud::{Markup, html};
use model::{Email, Environment, Secret};

use crate::ConsoleState;
use crate::page::copyable;

/// `back` is where the page leads on to.
pub(crate) fn invited(
    state: &ConsoleState,
    email: &Email,
    ticket: &Secret,
    back: (&str, &str),
) -> Markup {
    let base = state.hub.base_url(Environment::Production);
    let link = format!("{base}/console/welcome/{}", ticket.expose());
    let (path, name) = back;
    html! {
        h1 { (email) " is invited" }
        p {
            @if state.hub.has_mail_server() { "They get a mail. You can give them this link as well; it is shown this once:" }
            @else { "The exchange has no mail server: give them this link yourself. It is shown this once:" }
        }
        (copyable("The link of the invitation", &link))
        p { a.button href=(path) { (name) } }
    }
}
