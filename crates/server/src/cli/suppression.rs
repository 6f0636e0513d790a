//! `rialto suppression …`

use clap::{Args, Subcommand};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose, read};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("WHY", "/why"),
    ("TYPE", "/type"),
    ("REFERENCE", "/reference"),
    ("SINCE", "/createdAt"),
];

const ADDED: View = View::One(&[("added", "/added"), ("honoured", "/isHonoured")]);
const IMPORTED: View = View::One(&[
    ("added", "/added"),
    ("honoured", "/isHonoured"),
    ("problems", "/problems"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Put people on the suppression list: they are neither delivered nor shared.
    Add {
        #[command(flatten)]
        people: People,
        /// Kept with the entries: a ticket, a reason.
        #[arg(long, value_name = "TEXT")]
        reference: Option<String>,
    },
    /// The same from a CSV file whose first row names identity types.
    Import {
        #[command(flatten)]
        whose: Whose,
        /// `-` reads the standard input.
        file: String,
        /// Kept with the entries: a ticket, a reason.
        #[arg(long, value_name = "TEXT")]
        reference: Option<String>,
    },
    /// Take people off the list.
    Remove {
        #[command(flatten)]
        people: People,
    },
    /// Whether people are suppressed or restricted, and since when.
    Find {
        #[command(flatten)]
        people: People,
    },
    /// List entries; they do not say who it is.
    List {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["suppressed", "restricted"])]
        why: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
}

#[derive(Args)]
pub struct People {
    #[command(flatten)]
    whose: Whose,
    /// Identity type, such as email.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Values in clear or hashed.
    #[arg(required = true, value_name = "VALUE")]
    values: Vec<String>,
}

impl People {
    fn post(self, verb: &str, reference: Option<String>, view: View) -> Request {
        let path = format!("/accounts/{}/suppressions{verb}", self.whose.account);
        let mut body = json!({ "type": self.kind, "values": self.values });
        if let Some(reference) = reference {
            body["reference"] = reference.into();
        }
        Request::post(path, body, view)
    }
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Add { people, reference } => people.post("", reference, ADDED),
            Self::Import {
                whose,
                file,
                reference,
            } => {
                let path = format!("/accounts/{}/suppressions/file", whose.account);
                let request = Request::post_csv(path, read(&file)?.into(), IMPORTED);
                request.query("reference", reference)
            }
            Self::Remove { people } => {
                people.post("/remove", None, View::One(&[("removed", "/removed")]))
            }
            Self::Find { people } => people.post("/find", None, View::List(COLUMNS)),
            Self::List { whose, why, paging } => {
                let path = format!("/accounts/{}/suppressions", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("why", why)
                    .paged(paging)
            }
        })
    }
}
