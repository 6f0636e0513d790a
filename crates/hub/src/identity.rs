//! Who a document is about: the seam that identity resolution fills.
//!
//! At this stage a person is known by the first identifier that can identify one: the same identifier gives the same
//! `x1Id`, computed and not stored. Merging what belongs together comes with the identity store.

use model::record::Identifier;
use model::{AccountId, IdentifierDefinition, X1Id};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Hub;

/// Values that stand for nobody, in lower case: they would join strangers.
const JUNK: [&str; 8] = [
    "",
    "0",
    "null",
    "none",
    "unknown",
    "undefined",
    "n/a",
    "anonymous",
];

impl Hub {
    /// The person whom these identifiers name, if they name one.
    pub(crate) fn resolve(
        &self,
        account: AccountId,
        identifiers: &[Identifier<'_>],
        definitions: &std::collections::HashMap<String, IdentifierDefinition>,
    ) -> Option<X1Id> {
        identifiers.iter().find_map(|identifier| {
            let is_case_sensitive = definitions
                .get(&*identifier.name)
                .is_none_or(|d| d.is_case_sensitive);
            person(account, identifier, is_case_sensitive)
        })
    }
}

fn person(
    account: AccountId,
    identifier: &Identifier<'_>,
    is_case_sensitive: bool,
) -> Option<X1Id> {
    let value = identifier.value.trim();
    let lower = value.to_lowercase();
    if JUNK.contains(&lower.as_str()) || value.bytes().all(|b| matches!(b, b'0' | b'-')) {
        return None;
    }
    let digest = Sha256::new()
        .chain_update(b"rialto person")
        .chain_update(account.0.to_be_bytes())
        .chain_update(identifier.kind.to_ascii_lowercase().as_bytes())
        .chain_update([0])
        .chain_update(if is_case_sensitive {
            value.as_bytes()
        } else {
            lower.as_bytes()
        })
        .finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    Some(X1Id(Uuid::new_v8(bytes)))
}
