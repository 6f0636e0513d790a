//! A system at the other end: it has audiences, and takes them, over real HTTP. What it says can be switched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::{Receiver, Reply, Request};

/// The first id that it gives to an audience: no double can hold it.
pub(crate) const FIRST_ID: i64 = 8_000_000_000_000_001_152;

pub(crate) struct Party {
    pub(crate) receiver: Receiver,
    book: Arc<Mutex<Book>>,
}

/// What it has, and how it behaves.
#[derive(Default)]
pub(crate) struct Book {
    /// By id.
    pub(crate) audiences: BTreeMap<String, Audience>,
    /// What it has to give, by id.
    pub(crate) sources: BTreeMap<String, String>,
    /// Calls in their order, as `METHOD path`, with the rows that they had.
    pub(crate) calls: Vec<Told>,
    /// Answered instead of doing what was asked, by method.
    pub(crate) answers: BTreeMap<&'static str, Reply>,
    /// It has no data at hand, and makes it first; asked so often, it is ready.
    pub(crate) exports_after: Option<u32>,
    asked: u32,
    /// The call of this number, of those to rows, is done and never answered.
    pub(crate) hangs_at: Option<usize>,
    /// The same for the call that makes an audience.
    pub(crate) hangs_at_making: bool,
    /// It gives everything, whatever batch is asked for.
    pub(crate) knows_no_batches: bool,
    /// How it packs the rows that it gives.
    pub(crate) packs: Option<fn(&str) -> Vec<u8>>,
    /// The next rows are taken, and it says that they were not.
    pub(crate) lies_once: bool,
    given: i64,
}

/// An audience that it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) name: String,
    pub(crate) header: String,
    /// Rows by their first value.
    pub(crate) rows: BTreeMap<String, String>,
    /// How often it was replaced.
    pub(crate) replaced: u32,
    /// No reader ever found it with another number of rows than these.
    pub(crate) sizes: BTreeSet<usize>,
    /// The last body.
    pub(crate) body: Bytes,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) what: String,
    pub(crate) authorization: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Party {
    pub(crate) async fn start() -> Self {
        let receiver = Receiver::start().await;
        let book = Arc::new(Mutex::new(Book::default()));
        let answers = Arc::clone(&book);
        receiver.answer(move |request| {
            let mut book = answers.lock().unwrap_or_else(PoisonError::into_inner);
            book.answer(request)
        });
        Self { receiver, book }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The audience that it was given first.
    pub(crate) fn audience(&self) -> Audience {
        let book = self.book();
        let first = book.audiences.values().next();
        first.cloned().unwrap_or_default()
    }

    /// `METHOD path` of all calls so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.book()
            .calls
            .iter()
            .map(|told| told.what.clone())
            .collect()
    }
}

impl Book {
    fn answer(&mut self, request: &Request) -> Reply {
        let length = request.header("content-length").parse::<usize>();
        if length.is_ok_and(|length| length != request.body.len()) {
            // The caller died in the middle.
            return Reply::Status(400);
        }
        self.calls.push(Told {
            what: format!("{} {}", request.method, request.path),
            authorization: request.header("authorization").to_owned(),
            content_type: request.header("content-type").to_owned(),
            body: request.body.clone(),
        });
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let parts: Vec<&str> = parts.into_iter().skip_while(|part| *part != "v1").collect();
        if parts.last() == Some(&"data")
            && let Some(reply) = self.answers.get(request.method.as_str())
        {
            return reply.clone();
        }
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["v1", "segments"]) => self.list(),
            ("POST", ["v1", "segments"]) => self.make(&request.json()),
            ("GET", ["v1", "segments", id, "data"]) => self.data(id, &request.path),
            (_, ["v1", "segments", id, "data"]) => self.take(id, request),
            ("POST", ["v1", "jobs"]) => Reply::Body(200, json!({ "jobId": 77 }).to_string().into()),
            ("GET", ["v1", "jobs", "77"]) => self.export(),
            ("GET", ["v1", "jobs", "77", "data", "d-1"]) => {
                let text = self.sources.values().next().cloned();
                self.rows(text.unwrap_or_default())
            }
            _ => Reply::Status(404),
        }
    }

    fn list(&self) -> Reply {
        let mut list: Vec<Value> = Vec::new();
        let ids = self.audiences.iter().map(|(id, a)| (id, a.name.as_str()));
        for (id, name) in ids.chain(self.sources.keys().map(|id| (id, "A source"))) {
            let id: i64 = id.parse().expect("a number");
            list.push(json!({ "id": id, "name": name, "description": "" }));
        }
        let result = json!({ "totalCount": list.len(), "list": list });
        let body = json!({ "responseStatus": "success", "result": result });
        Reply::Body(200, body.to_string().into())
    }

    fn make(&mut self, body: &Value) -> Reply {
        let id = FIRST_ID + self.given;
        self.given += 1;
        let audience = Audience {
            name: body["name"].as_str().unwrap_or_default().to_owned(),
            ..Audience::default()
        };
        self.audiences.insert(id.to_string(), audience);
        if std::mem::take(&mut self.hangs_at_making) {
            return Reply::Hang;
        }
        Reply::Body(200, id.to_string().into())
    }

    /// A part of its rows: those whose number leaves a certain rest.
    fn data(&self, id: &str, path: &str) -> Reply {
        if self.exports_after.is_some() {
            return Reply::Status(404);
        }
        let Some(text) = self.sources.get(id) else {
            return Reply::Status(404);
        };
        let number = |name: &str| -> usize {
            let query = path.split_once('?').map_or("", |(_, query)| query);
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name));
            found.and_then(|value| value.parse().ok()).unwrap_or(1)
        };
        let (total, current) = (number("totalBatchCount="), number("currentBatchNumber="));
        if self.knows_no_batches {
            return self.rows(text.clone());
        }
        let mut lines = text.lines();
        let mut part = format!("{}\n", lines.next().unwrap_or_default());
        for (at, line) in lines.enumerate() {
            if at % total == (current - 1) % total {
                part.push_str(line);
                part.push('\n');
            }
        }
        self.rows(part)
    }

    fn rows(&self, text: String) -> Reply {
        let packed = self.packs.map(|pack| pack(&text).into());
        Reply::Body(200, packed.unwrap_or_else(|| text.into()))
    }

    fn export(&mut self) -> Reply {
        self.asked += 1;
        let is_done = self.exports_after.is_some_and(|after| self.asked > after);
        let body = if is_done {
            json!({ "jobId": 77, "status": "COMPLETED", "jobDataId": "d-1" })
        } else {
            json!({ "jobId": 77, "status": "RUNNING" })
        };
        Reply::Body(200, body.to_string().into())
    }

    fn take(&mut self, id: &str, request: &Request) -> Reply {
        let Some(audience) = self.audiences.get_mut(id) else {
            return Reply::Status(404);
        };
        let text = String::from_utf8(request.body.to_vec()).expect("UTF-8");
        let (header, rows) = text.split_once('\n').unwrap_or_default();
        let rows = lines(rows);
        let count = rows.len();
        let rows = rows.into_iter().map(|line| {
            let key = line.split(',').next().unwrap_or_default();
            (key.to_owned(), line.to_owned())
        });
        match request.method.as_str() {
            "PUT" => {
                audience.rows = rows.collect();
                audience.replaced += 1;
            }
            "POST" => audience.rows.extend(rows),
            "DELETE" => rows.for_each(|(key, _)| {
                audience.rows.remove(&key);
            }),
            _ => return Reply::Status(405),
        }
        if request.method != "DELETE" {
            header.clone_into(&mut audience.header);
        }
        audience.sizes.insert(audience.rows.len());
        audience.body = request.body.clone();
        if std::mem::take(&mut self.lies_once) {
            return Reply::Status(400);
        }
        match &mut self.hangs_at {
            Some(0) => {
                self.hangs_at = None;
                return Reply::Hang;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let body = json!({ "accepted": count, "refused": 0 });
        Reply::Body(200, body.to_string().into())
    }
}

/// The rows of a CSV file; a line break in quotes is part of its row.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let mut rows = text.split_terminator(|c| {
        is_quoted ^= c == '"';
        c == '\n' && !is_quoted
    });
    rows.by_ref().collect()
}
