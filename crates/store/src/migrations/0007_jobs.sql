-- Jobs: work that is done in slices; and the files that they were given or made. The bytes of the files rest in blobs.

CREATE TABLE job (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    category TEXT NOT NULL,
    status TEXT NOT NULL,
    sub_status TEXT,
    name TEXT NOT NULL,
    -- The endpoints whose keys may see it.
    producer_id BIGINT,
    destination_id BIGINT,
    share_id BIGINT,
    -- JSON: what the wire tells of it.
    details TEXT NOT NULL,
    -- JSON: the category's own.
    state TEXT NOT NULL,
    steps TEXT NOT NULL,
    records TEXT NOT NULL,
    error TEXT,
    -- What a person has to answer before it goes on.
    question TEXT,
    report TEXT NOT NULL,
    -- What somebody did since the last slice.
    signal TEXT,
    -- The file that was uploaded for it, and what came with it.
    upload TEXT,
    metadata TEXT,
    -- Slices in a row that failed and are tried again.
    failures BIGINT NOT NULL,
    -- Rises with every change, so that of two that work on it one finds out.
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT,
    -- When it is its turn; NULL: when somebody did something, or never.
    next_at BIGINT
);
CREATE INDEX job_due ON job (next_at);
CREATE INDEX job_account ON job (account_id, category, id);
CREATE INDEX job_share ON job (share_id, id);
CREATE INDEX job_finished ON job (finished_at);

CREATE TABLE data_file (
    account_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- Which writing of it.
    version BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- SHA-256, hex; NULL until it is complete.
    digest TEXT,
    is_complete BIGINT NOT NULL,
    -- When its last byte was first asked for.
    fetched_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (job_id, name)
);
CREATE INDEX data_file_left ON data_file (is_complete, updated_at);
