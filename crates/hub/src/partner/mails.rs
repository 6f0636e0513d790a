//! What partners are written: a series, in which no mail has both an account's name and its key.
//!
//! Called by the steps of [`super`]; sent from the outbox, where they rest sealed.

use model::partner::Certificate;
use model::{Account, Environment, Secret};
use store::partner::Partner;

use crate::outbox::Outgoing;

fn mail(partner: &Partner, subject: impl Into<String>, text: String) -> Outgoing {
    Outgoing::Mail {
        to: partner.request.contact.clone(),
        subject: subject.into(),
        text,
    }
}

/// The first of two: where to go, and as whom.
pub(super) fn welcome(partner: &Partner, account: &Account, base: &str) -> Outgoing {
    let product = &partner.request.product;
    let (environment, next) = match account.environment {
        Environment::Pilot => (
            "pilot",
            "Register your endpoints there, publish and receive. A checklist fills itself with what they do; when it is\n\
             done, ask for your review.",
        ),
        Environment::Production => (
            "production",
            "Change the base URL of your calls to it. What was certified is there already.",
        ),
    };
    let text = format!(
        "Welcome.\n\n\
         {product} now has access to the {environment} environment.\n\n\
         Base URL: {base}\n\
         Account:  {} (number {})\n\n\
         The account's key comes in a mail of its own, which names no account.\n\n\
         {next}\n",
        account.name, account.id
    );
    mail(
        partner,
        format!("Your access to {environment} (1 of 2)"),
        text,
    )
}

/// The second: a key, and not whose.
pub(super) fn key(partner: &Partner, key: &Secret) -> Outgoing {
    let text = format!(
        "This is the key that another mail announced:\n\n\
         {}\n\n\
         Send it as `Authorization: Bearer <key>`. Keep it where secrets are kept, and delete this mail.\n\
         Whoever may have read it makes it worthless: ask for another one.\n",
        key.expose()
    );
    mail(partner, "Your key (2 of 2)", text)
}

pub(super) fn certified(partner: &Partner, certificate: &Certificate) -> Outgoing {
    let Certificate {
        mark,
        version,
        licence,
        licence_version,
        date,
        ..
    } = certificate;
    let text = format!(
        "{} {version} is certified.\n\n\
         Mark:    {mark}\n\
         Licence: {licence}, version {licence_version}\n\
         Date:    {}\n\n\
         Its way to production is open: you will hear of the access to it.\n",
        partner.request.product,
        date.strftime("%Y-%m-%d"),
    );
    mail(partner, format!("{mark}: certified"), text)
}

pub(super) fn declined(partner: &Partner, reason: &str) -> Outgoing {
    let text = format!(
        "{} does not go on towards production.\n\nReason: {reason}\n\nKeys that you were given for pilot have ended.\n",
        partner.request.product
    );
    mail(partner, "Your request was declined", text)
}
