-- What shares have handed over: how much the last time, and, of incremental ones, digests of every row.

CREATE TABLE sent_share (
    share_id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    -- The key of this share's digests, sealed.
    digest_key BYTEA NOT NULL,
    -- The last run that ended well; NULL: none has.
    job_id BIGINT,
    rows_read BIGINT NOT NULL,
    rows_sent BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sent_share_account ON sent_share (account_id);

CREATE TABLE sent_row (
    account_id BIGINT NOT NULL,
    share_id BIGINT NOT NULL,
    -- Of the identifier as the destination has it: 16 bytes under the share's key.
    digest BYTEA NOT NULL,
    -- Of the whole row.
    content BIGINT NOT NULL,
    -- The identifier, sealed: it is told to the destination when the row is gone.
    identifier BYTEA NOT NULL,
    -- The latest run that had it.
    job_id BIGINT NOT NULL,
    -- The destination has it; else it may have it.
    is_sent BIGINT NOT NULL,
    PRIMARY KEY (share_id, digest)
);
