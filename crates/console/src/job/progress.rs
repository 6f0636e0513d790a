//! How far a job is: the part of its page that changes by itself, with what somebody can do about it.

use hub::Job;
use maud::{Markup, html};
use model::Role;
use model::endpoint::ShareAction;
use model::job::{JobCategory, JobStatus, StepState};

use super::{file, report, status};
use crate::event::{endpoint, named};
use crate::home::grouped;
use crate::page;
use crate::time;
use crate::visitor::{In, Viewer};

pub(super) async fn of(of: &In<Viewer>, job: &Job) -> Markup {
    let files = of
        .hub()
        .job_files(of.scope(), job.id)
        .await
        .unwrap_or_default();
    html! {
        div.title { p { (status(job.status)) @if let Some(text) = &job.sub_status { " " (text) } } @if of.may(Role::Member) { (actions(of, job)) } }
        @if let Some(question) = &job.question { (asks(of, job, question)) }
        @if let Some(error) = &job.error { p.said.bad { (error) } }
        @if !job.steps.is_empty() { (steps(job)) }
        (figures(job))
        dl.properties {
            @if let Some(id) = job.producer { dt { "From" } dd { (endpoint(of, id)) } }
            @if let Some(id) = job.destination { dt { "To" } dd { (endpoint(of, id)) } }
            @if let Some(name) = &job.details.destination_segment_name { dt { "As" } dd { (name) } }
            @if let Some(share) = job.share { dt { "Share" } dd { a href=(of.path(&format!("/shares/{share}"))) { "what is shared, and when" } } }
            dt { "Made" } dd { (time::at(job.created_at)) }
            @if let Some(at) = job.finished_at { dt { "Ended" } dd { (time::at(at)) } }
        }
        @if job.status == JobStatus::WaitingToReceiveData && of.may(Role::Member) { (file::wanted(of, job)) }
        @if !files.is_empty() { (file::list(of, job, &files)) }
        (report::of(of, job))
    }
}

fn actions(of: &In<Viewer>, job: &Job) -> Markup {
    let path = |verb: &str| of.path(&format!("/jobs/{}/{verb}", job.id));
    html! {
        div.actions {
            @if job.status == JobStatus::ReadyForDownload && job.category == JobCategory::Gdpr {
                (page::button(&path("fetched"), "I have fetched it", "main", Some("The file is deleted then. Do you have it?")))
            }
            @if !job.status.is_final() && job.status != JobStatus::WaitingForApproval {
                (page::button(&path("cancel"), "Cancel", "", Some("Cancel this job? What it has handed over stays there.")))
            }
            @if matches!(job.status, JobStatus::Failed | JobStatus::Canceled) {
                (page::button(&path("retry"), "Go on where it stopped", "main", None))
            }
        }
    }
}

/// What it asks, and what comes of each answer.
fn asks(of: &In<Viewer>, job: &Job, question: &str) -> Markup {
    let path = |verb: &str| of.path(&format!("/jobs/{}/{verb}", job.id));
    let rows = grouped(job.records.matched);
    let to = job.destination.map(|id| named(of, id)).unwrap_or_default();
    html! {
        section.warning role="alert" {
            h2 { "It stopped and asks" }
            p { (question) }
            ul {
                li { strong { "Go on: " } @match job.details.action {
                    Some(ShareAction::Replace) => { "the audience at " (to) " becomes these " (rows) " rows; who is not among them is no longer in it." }
                    Some(ShareAction::Remove) => { "these " (rows) " rows are taken out of the audience at " (to) "." }
                    _ => { "it does what it asks about." }
                } }
                li { strong { "Do not: " } "nothing is handed over, and this run is canceled. What " (to) " has stays as it is; the share runs again when it is due." }
            }
            @if of.may(Role::Member) {
                div.actions {
                    (page::button(&path("approve"), "Go on", "main", None))
                    (page::button(&path("refuse"), "Do not", "", None))
                }
            }
        }
    }
}

fn figures(job: &Job) -> Markup {
    let records = &job.records;
    let is_privacy = job.category == JobCategory::Gdpr;
    let all: &[(&str, u64)] = match job.category {
        JobCategory::SegmentPopulateDb => &[],
        JobCategory::Gdpr => &[
            ("Read", records.read),
            ("Known", records.matched),
            ("Not known", records.unmatched),
            ("Rejected", records.rejected),
        ],
        _ => &[
            ("Read", records.read),
            ("Matched", records.matched),
            ("Unmatched", records.unmatched),
            ("Rejected", records.rejected),
            ("Sent", records.sent),
        ],
    };
    html! {
        @if !all.is_empty() {
            dl.figures { @for (name, rows) in all {
                div.bad[*name == "Rejected" && *rows > 0] { dt { (name) } dd { strong { (grouped(*rows)) } span { @if is_privacy { "people" } @else { "rows" } } } }
            } }
        }
    }
}

fn steps(job: &Job) -> Markup {
    html! {
        ol.steps aria-label="Steps" { @for step in &job.steps {
            @let (class, word) = match step.state {
                StepState::Waiting => ("waiting", "to come"),
                StepState::Running => ("running", "now"),
                StepState::Done => ("done", "done"),
            };
            li class=(class) {
                strong { (step.name) } " " span { (word) }
                @if step.state != StepState::Waiting {
                    small { (grouped(step.done)) @if let Some(total) = step.total { " of " (grouped(total)) } }
                    @if step.state == StepState::Running && let Some(total) = step.total.filter(|total| *total > 0) {
                        progress max=(total) value=(step.done.min(total)) aria-label=(step.name) {}
                    }
                }
            }
        } }
    }
}
