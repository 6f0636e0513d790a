//! Who is taken for one person: the limits and the values that stand for nobody; and what other rules would change, before
//! they do.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::{IntoResponse, Response};
use hub::identity::RulesReport;
use maud::{Markup, html};
use model::Role;
use model::identity::{IDENTIFIERS_OF_ONE_TYPE_MAX, Rules};

use super::{person, places};
use crate::form::Form;
use crate::home::grouped;
use crate::page::{self, Place, done};
use crate::problem;
use crate::visitor::{Admin, In, Viewer};

/// The rules as texts of a form.
struct Texts {
    limit: String,
    limits: String,
    junk: String,
}

impl Texts {
    fn of(rules: &Rules) -> Self {
        let limits = rules
            .limits
            .iter()
            .map(|(kind, limit)| format!("{kind} = {limit}"));
        let junk: Vec<&str> = rules.junk.iter().map(String::as_str).collect();
        Self {
            limit: rules
                .limit
                .unwrap_or(IDENTIFIERS_OF_ONE_TYPE_MAX)
                .to_string(),
            limits: limits.collect::<Vec<_>>().join("\n"),
            junk: junk.join("\n"),
        }
    }

    fn sent(form: &Form) -> Self {
        let text = |name: &str| form.text(name).to_owned();
        Self {
            limit: text("limit"),
            limits: text("limits"),
            junk: text("junk"),
        }
    }

    fn read(&self) -> Result<Rules, String> {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let limit = match self.limit.as_str() {
            "" => None,
            text => Some(number(text).ok_or("How many: expected a whole number from 1.")?),
        };
        let mut limits = BTreeMap::new();
        for line in lines(&self.limits) {
            let pair = line.split_once('=');
            let pair =
                pair.and_then(|(kind, limit)| Some((kind.trim().to_owned(), number(limit)?)));
            let (kind, limit) = pair.ok_or_else(|| {
                format!("{line}: expected a type and a number, such as cookie = 300.")
            })?;
            limits.insert(kind, limit);
        }
        let junk: BTreeSet<String> = lines(&self.junk).map(str::to_owned).collect();
        Ok(Rules {
            limit: limit.filter(|limit| *limit != IDENTIFIERS_OF_ONE_TYPE_MAX),
            limits,
            junk,
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

pub(super) async fn page(of: In<Viewer>) -> Response {
    let texts = Texts::of(&of.account.policy.identity_rules);
    shown(&of, &texts, &html! {})
}

fn shown<R>(of: &In<R>, texts: &Texts, said: &Markup) -> Response {
    let may = of.may(Role::Admin);
    let content = html! {
        h1 { "Rules" }
        (places(of, "/rules"))
        p { "Who is one person follows from what was seen together and from these rules alone." }
        (said)
        form.stack.wide method="post" action=(of.path("/identities/rules/trial")) {
            div.columns {
                label { "Identifiers of one type that one person may have" input type="number" name="limit" min="1" value=(texts.limit) disabled[!may]; }
                label { "For some types" textarea name="limits" rows="4" aria-describedby="limits-help" disabled[!may] spellcheck="false" { (texts.limits) }
                    small #limits-help { "one a line, such as cookie = 300" } }
                label { "More values that stand for nobody" textarea name="junk" rows="4" aria-describedby="junk-help" disabled[!may] spellcheck="false" { (texts.junk) }
                    small #junk-help { "one a line; kiosk@ is a mailbox of any domain. Values such as unknown, 0 and noreply@ are known." } }
            }
            @if may {
                div.actions {
                    button.main type="submit" { "See what would change" }
                    button type="submit" formaction=(of.path("/identities/rules")) { "Put these rules in place" }
                }
            }
        }
        @if may {
            section.narrow-left {
                h2 { "If letter case did not matter" }
                p { "How many people would become one if the capitals of one type did not count." }
                form.stack method="post" action=(of.path("/identities/rules/trial")) {
                    label { "Type" input type="text" name="ignoreCase" required placeholder="login"; }
                    button type="submit" { "See" }
                }
            }
        }
    };
    page::inside(of, Place::Identities, "Rules", &content).into_response()
}

/// What other rules would change; nothing is changed.
pub(super) async fn trial(of: In<Admin>, form: Form) -> Response {
    let kind = form.text("ignoreCase");
    let (texts, report) = if kind.is_empty() {
        let texts = Texts::sent(&form);
        let report = match texts.read() {
            Ok(rules) => of.hub().identity_try_rules(of.scope(), rules).await,
            Err(why) => return shown(&of, &texts, &wrong(&why)),
        };
        (texts, report)
    } else {
        let texts = Texts::of(&of.account.policy.identity_rules);
        (texts, of.hub().identity_try_case(of.scope(), kind).await)
    };
    match report {
        Ok(report) => shown(&of, &texts, &told(&report)),
        Err(error @ hub::Error::Invalid(_)) => {
            shown(&of, &texts, &wrong(&problem::sentence(&error)))
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn wrong(why: &str) -> Markup {
    html! { div.said.bad role="alert" { (why) } }
}

fn told(report: &RulesReport) -> Markup {
    html! {
        section aria-labelledby="would" {
            h2 #would { "What would change" }
            @if report.moved == 0 { p.calm role="status" { "Nothing: everybody stays who they are." } }
            @else {
                p role="status" { (grouped(report.people_before)) " people would be " (grouped(report.people_after)) "; " (grouped(report.moved)) " identifiers would belong elsewhere, to nobody, or to somebody again." }
                div.scroll tabindex="0" role="region" aria-label="Examples" { table {
                    thead { tr { th scope="col" { "Type" } th scope="col" { "Value" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                    tbody { @for one in &report.sample { tr {
                        td { (one.kind) } td { (one.value) } td { (person::standing_words(one.was).0) } td { (person::standing_words(one.is).0) }
                    } } }
                } }
            }
        }
    }
}

pub(super) async fn put(of: In<Admin>, form: Form) -> Response {
    let texts = Texts::sent(&form);
    let rules = match texts.read() {
        Ok(rules) => rules,
        Err(why) => return shown(&of, &texts, &wrong(&why)),
    };
    let result = of
        .hub()
        .identity_set_rules(&of.actor(), of.scope(), rules)
        .await;
    if let Err(error @ hub::Error::Invalid(_)) = &result {
        return shown(&of, &texts, &wrong(&problem::sentence(error)));
    }
    let to = of.path("/identities/rules");
    done(of.state(), &to, result, |report| {
        format!(
            "The rules are in place: {} people became {}, and {} identifiers moved.",
            report.people_before, report.people_after, report.moved
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        let rules = Rules {
            limit: Some(50),
            limits: BTreeMap::from([("cookie".to_owned(), 300)]),
            junk: BTreeSet::from(["kiosk@".to_owned(), "n.n.".to_owned()]),
        };
        assert_eq!(Texts::of(&rules).read(), Ok(rules));
        assert_eq!(Texts::of(&Rules::default()).read(), Ok(Rules::default()));
        for (limit, limits) in [
            ("-1", ""),
            ("many", ""),
            ("5", "cookie 300"),
            ("5", "cookie = x"),
        ] {
            let texts = Texts {
                limit: limit.to_owned(),
                limits: limits.to_owned(),
                junk: String::new(),
            };
            texts.read().expect_err(limits);
        }
    }
}
