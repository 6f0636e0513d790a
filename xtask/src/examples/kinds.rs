//! The event types that the example shop registers. What it publishes says nothing that is not declared here.

use super::payload::quoted;

/// Code, display name, description, and the attributes with their types.
type Kind = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The declared type of an attribute.
pub(super) fn type_of(code: &str, attribute: &str) -> &'static str {
    let (.., attributes) = KINDS
        .iter()
        .find(|kind| kind.0 == code)
        .expect("only declared event types are published");
    let found = attributes.iter().find(|(name, _)| *name == attribute);
    found
        .map(|(_, kind)| *kind)
        .expect("only declared attributes are published")
}

/// An array of the bodies of `POST /v1/eventtype`, one for each event type.
pub(super) fn registrations() -> String {
    let bodies: Vec<String> = KINDS.iter().map(registration).collect();
    format!("[\n{}\n]\n", bodies.join(",\n"))
}

fn registration((code, name, description, attributes): &Kind) -> String {
    let one = |(name, kind): &(&str, &str)| {
        format!(
            r#"      {{"name": {}, "type": {}}}"#,
            quoted(name),
            quoted(kind)
        )
    };
    let attributes: Vec<String> = attributes.iter().map(one).collect();
    format!(
        "  {{\n    \"code\": {},\n    \"name\": {},\n    \"description\": {},\n    \"version\": 1,\n    \
         \"registrationType\": \"PUBLISH\",\n    \"attributes\": [\n{}\n    ]\n  }}",
        quoted(code),
        quoted(name),
        quoted(description),
        attributes.join(",\n")
    )
}

#[rustfmt::skip]
const KINDS: [Kind; 26] = [
    ("emailSend", "E-mail sent", "The morning letter was sent.", &[("messageId", "number"), ("mailingName", "string"), ("subjectLine", "string"), ("language", "string")]),
    ("emailOpen", "E-mail opened", "The letter was opened.", &[("messageId", "number"), ("mailingName", "string"), ("deviceType", "string")]),
    ("emailClick", "E-mail link clicked", "A link in the letter was followed.", &[("messageId", "number"), ("mailingName", "string"), ("linkName", "string"), ("linkUrl", "string")]),
    ("emailBounce", "E-mail bounced", "The letter came back.", &[("messageId", "number"), ("mailingName", "string"), ("bounceType", "string"), ("bounceCode", "string")]),
    ("emailOptOut", "E-mail opt-out", "Somebody wants no more letters.", &[("messageId", "number"), ("mailingName", "string"), ("optOutReason", "string")]),
    ("sentSMS", "Text message sent", "A parcel was announced by text message.", &[("messageId", "number"), ("programName", "string"), ("shortCode", "string")]),
    ("interactedSMS", "Text message answered", "Somebody answered a text message.", &[("messageId", "number"), ("programName", "string"), ("interactionType", "string"), ("replyText", "string")]),
    ("ibmpageView", "Page viewed", "A page of the shop was looked at.", &[("pageName", "string"), ("pageUrl", "string"), ("deviceType", "string")]),
    ("ibmsearchedSite", "Site search", "Somebody searched the shop.", &[("searchTerm", "string"), ("resultCount", "integer")]),
    ("ibmproductView", "Product viewed", "An article was looked at.", &[("productId", "string"), ("productName", "string"), ("productCategory", "string"), ("unitPrice", "number"), ("currency", "string"), ("inStock", "boolean")]),
    ("cartAdd", "Added to cart", "An article went into the cart.", &[("cartId", "string"), ("productId", "string"), ("productName", "string"), ("quantity", "integer"), ("unitPrice", "number"), ("currency", "string")]),
    ("cartRemove", "Removed from cart", "An article was taken out of the cart.", &[("cartId", "string"), ("productId", "string"), ("quantity", "integer")]),
    ("ibmcartPurchase", "Purchase", "A cart was paid for.", &[("orderId", "string"), ("orderTotal", "number"), ("currency", "string"), ("itemCount", "integer"), ("paymentMethod", "string"), ("couponCode", "string"), ("shippingCountry", "string")]),
    ("ibmcartPurchaseItem", "Purchased item", "One article of an order.", &[("orderId", "string"), ("productId", "string"), ("quantity", "integer"), ("unitPrice", "number"), ("currency", "string")]),
    ("ibmcartAbandonment", "Cart abandoned", "A cart was left behind for half an hour.", &[("cartId", "string"), ("itemCount", "integer"), ("cartTotal", "number"), ("currency", "string")]),
    ("ibmcartAbandonmentItem", "Item left in cart", "One article of a cart that was left behind.", &[("cartId", "string"), ("productId", "string"), ("quantity", "integer")]),
    ("ibmbrowseAbandonment", "Browsing abandoned", "A visit ended without anything in the cart.", &[("viewedCount", "integer"), ("lastCategory", "string")]),
    ("ibmregistration", "Registration", "Somebody opened an account with the shop.", &[("firstName", "string"), ("lastName", "string"), ("country", "string"), ("language", "string"), ("newsletter", "boolean")]),
    ("wroteReview", "Review written", "Somebody wrote about an article.", &[("productId", "string"), ("rating", "integer"), ("reviewText", "string"), ("language", "string")]),
    ("ibmelementFormError", "Form error", "A form of the shop was not accepted.", &[("formName", "string"), ("fieldName", "string"), ("errorMessage", "string")]),
    ("appInstalled", "App installed", "The shop's app was installed.", &[("appName", "string"), ("appVersion", "string"), ("platform", "string"), ("locale", "string")]),
    ("appUninstalled", "App uninstalled", "The shop's app was removed.", &[("appName", "string"), ("platform", "string"), ("daysInstalled", "integer")]),
    ("appSessionOpen", "App opened", "The shop's app came to the front.", &[("appVersion", "string"), ("platform", "string"), ("openedFrom", "string")]),
    ("appSessionClose", "App closed", "The shop's app was left.", &[("durationSeconds", "integer"), ("screenCount", "integer")]),
    ("appCrashed", "App crashed", "The shop's app ended by itself.", &[("appVersion", "string"), ("platform", "string"), ("errorName", "string"), ("errorMessage", "string")]),
    ("parcelDelivered", "Parcel delivered", "A parcel arrived: an event of the shop's own, not in the catalog.", &[("orderId", "string"), ("carrier", "string"), ("deliveredOn", "date")]),
];
