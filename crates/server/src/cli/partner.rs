//! `rialto partner …`

use clap::Subcommand;
use model::{AccountId, PartnerId};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("COMPANY", "/company"),
    ("PRODUCT", "/product"),
    ("STAGE", "/stage"),
    ("PILOT", "/pilotAccountId"),
    ("PRODUCTION", "/productionAccountId"),
];
const LINES: &[Column] = &[
    ("id", "/id"),
    ("stage", "/stage"),
    ("possible now", "/possible"),
    ("company", "/company"),
    ("contact", "/contact"),
    ("product", "/product"),
    ("exchanges", "/exchanges"),
    ("publishes in", "/forms"),
    ("pilot account", "/pilotAccountId"),
    ("pilot URL", "/pilotUrl"),
    ("mark", "/certificate/mark"),
    ("of version", "/certificate/version"),
    ("certified", "/certificate/date"),
    ("waived", "/certificate/waived"),
    ("production account", "/productionAccountId"),
    ("production URL", "/productionUrl"),
    ("requested", "/requestedAt"),
];
const ONE: View = View::One(LINES);
const HISTORY: View = View::List(&[
    ("AT", "/at"),
    ("STEP", "/step"),
    ("STAGE", "/stage"),
    ("BY", "/actor"),
    ("DETAIL", "/detail"),
]);
pub(super) const CHECKLIST: View = View::OneWith(
    &[("everything done", "/isDone")],
    Part {
        at: "/items",
        columns: &[
            ("ITEM", "/id"),
            ("STATE", "/state"),
            ("TIMES", "/count"),
            ("SINCE", "/since"),
            ("WHAT", "/title"),
        ],
        none: "There are no items.",
    },
);
const DIFFERENCE: View = View::OneWith(
    &[("digest", "/digest")],
    Part {
        at: "/differences",
        columns: &[
            ("CHANGE", "/change"),
            ("AT", "/pointer"),
            ("PRODUCTION", "/before"),
            ("PILOT", "/after"),
        ],
        none: "Production is what pilot is.",
    },
);
const PROMOTED: View = View::OneWith(
    &[
        ("stage", "/partner/stage"),
        ("production account", "/partner/productionAccountId"),
        ("production URL", "/partner/productionUrl"),
    ],
    Part {
        at: "/differences",
        columns: &[("DONE", "/change"), ("AT", "/pointer")],
        none: "There was nothing to do.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// A company asks to connect a product.
    Request {
        /// Becomes the provider's name.
        company: String,
        /// The mail address that everything is written to.
        #[arg(long, value_name = "ADDRESS")]
        contact: String,
        #[arg(long)]
        product: String,
        /// What it exchanges, in a sentence.
        #[arg(long, value_name = "SENTENCE")]
        exchanges: String,
        /// A form in which it will publish; once for each.
        #[arg(long = "form", value_name = "FORM", value_parser = ["single", "batch", "compound"])]
        forms: Vec<String>,
    },
    /// List partners.
    List {
        /// Only those at this stage, such as `in-review`.
        #[arg(long)]
        stage: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a partner and what is possible.
    Show { id: PartnerId },
    /// Who did what, and when.
    History { id: PartnerId },
    /// The checklist of the review, as the partner's endpoints have filled it.
    Checklist {
        #[arg(required_unless_present = "account")]
        id: Option<PartnerId>,
        /// The partner's pilot account instead of its number: what the partner itself may ask.
        #[arg(long, value_name = "ID", conflicts_with = "id")]
        account: Option<AccountId>,
    },
    /// Take a partner in: provider, pilot account, and the mails about both.
    Nominate { id: PartnerId },
    /// Begin the review.
    Review { id: PartnerId },
    /// End the review well.
    Certify {
        id: PartnerId,
        /// Of the product that was reviewed.
        #[arg(long)]
        version: String,
        /// The licence agreement that was signed.
        #[arg(long)]
        licence: String,
        #[arg(long, value_name = "VERSION")]
        licence_version: String,
        /// `Ready for Rialto` if not given.
        #[arg(long)]
        mark: Option<String>,
        /// An open item of the checklist that is not asked for; once for each.
        #[arg(long, value_name = "ITEM")]
        waive: Vec<String>,
    },
    /// What a promotion would change in production.
    Difference { id: PartnerId },
    /// Bring production to what was reviewed in pilot.
    Promote {
        id: PartnerId,
        /// Of the difference that was reviewed.
        #[arg(long)]
        digest: String,
    },
    /// Decline a partner.
    Decline {
        id: PartnerId,
        /// The company is told.
        #[arg(long)]
        reason: String,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let at = |id: PartnerId, what: &str| format!("/partners/{id}{what}");
        Ok(match self {
            Self::Request {
                company,
                contact,
                product,
                exchanges,
                forms,
            } => {
                let body = json!({ "company": company, "contact": contact, "product": product,
                                   "exchanges": exchanges, "forms": forms });
                Request::post("/partners", body, ONE)
            }
            Self::List { stage, paging } => Request::get("/partners", View::List(COLUMNS))
                .query("stage", stage)
                .paged(paging),
            Self::Show { id } => Request::get(at(id, ""), ONE),
            Self::History { id } => Request::get(at(id, "/history"), HISTORY),
            Self::Checklist { id, account } => match (account, id) {
                (Some(account), _) => {
                    Request::get(format!("/accounts/{account}/checklist"), CHECKLIST)
                }
                (None, id) => {
                    let id = id.unwrap_or(PartnerId(0));
                    Request::get(at(id, "/checklist"), CHECKLIST)
                }
            },
            Self::Nominate { id } => Request::post(at(id, "/nominate"), json!({}), ONE),
            Self::Review { id } => Request::post(at(id, "/review"), json!({}), ONE),
            Self::Certify {
                id,
                version,
                licence,
                licence_version,
                mark,
                waive,
            } => {
                let body = json!({ "mark": mark, "version": version, "licence": licence,
                                   "licenceVersion": licence_version, "waive": waive });
                Request::post(at(id, "/certify"), body, ONE)
            }
            Self::Difference { id } => Request::get(at(id, "/difference"), DIFFERENCE),
            Self::Promote { id, digest } => {
                Request::post(at(id, "/promote"), json!({ "digest": digest }), PROMOTED)
            }
            Self::Decline { id, reason } => {
                Request::post(at(id, "/decline"), json!({ "reason": reason }), ONE)
            }
        })
    }
}
