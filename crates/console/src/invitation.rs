//! What whoever invites somebody is shown: to an operator the link, this once. Anybody else could take the place of whom they
//! invite with it, so that it goes to the address alone. Called by `member` and `operator`.

use maud::{Markup, html};
use model::{Email, Environment, Secret};

use crate::page::copyable;
use crate::visitor::Visitor;

/// `back` is where the page leads on to.
pub(crate) fn invited(
    visitor: &Visitor,
    email: &Email,
    ticket: &Secret,
    back: (&str, &str),
) -> Markup {
    let hub = &visitor.state.hub;
    let base = hub.base_url(Environment::Production);
    let link = format!("{base}/console/welcome/{}", ticket.expose());
    let (path, name) = back;
    let has_mail = hub.has_mail_server();
    html! {
        h1 { (email) " is invited" }
        @if visitor.bearer.is_operator() {
            p {
                @if has_mail { "They get a mail. You can give them this link as well; it is shown this once:" }
                @else { "The exchange has no mail server: give them this link yourself. It is shown this once:" }
            }
            (copyable("The link of the invitation", &link))
        } @else if has_mail {
            p { "They get a mail with a link, by which they choose a password." }
        } @else {
            p.warning { "The exchange has no mail server, so no mail goes out. Ask an operator to invite them anew and to give them the link." }
        }
        p { a.button href=(path) { (name) } }
    }
}
