//! `rialto notification …`

use clap::Subcommand;
use model::EndpointId;

use super::view::View;
use super::{CliError, Request, Verbs, Whose};

#[derive(Subcommand)]
pub enum Verb {
    /// Show what an endpoint is told of changes of its subscriptions, and where.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// The endpoint's id.
        #[arg(long, value_name = "ID")]
        endpoint: EndpointId,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let Self::Show { whose, endpoint } = self;
        let path = format!(
            "/accounts/{}/endpoints/{endpoint}/notification",
            whose.account
        );
        let view = View::One(&[
            ("url", "/notificationURL"),
            ("key", "/notificationKey"),
            ("type", "/notificationType"),
            ("authentication", "/authentication/authType"),
            ("stated by", "/statedBy"),
        ]);
        Ok(Request::get(path, view))
    }
}
