-- Shares: an audience of one endpoint goes to another. A run of a share is a job.

CREATE TABLE share (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    -- Both are in the plan too.
    source_id BIGINT NOT NULL,
    destination_id BIGINT NOT NULL,
    -- JSON: what a run does.
    plan TEXT NOT NULL,
    -- JSON: when it runs.
    schedule TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Why it does not run, for people.
    reason TEXT,
    -- When it is due; NULL: only by hand.
    next_at BIGINT,
    last_job_id BIGINT,
    last_run_at BIGINT,
    -- Times in a row at which it was due and could not run.
    skipped BIGINT NOT NULL,
    -- Rises with every change, so that of two that change it one finds out.
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX share_due ON share (next_at);
CREATE INDEX share_account ON share (account_id, id);
CREATE INDEX share_ended ON share (ended_at);
