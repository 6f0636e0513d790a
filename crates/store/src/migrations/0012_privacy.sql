-- Who must not be delivered or shared: keyed digests of identifiers, never the identifiers themselves.

CREATE TABLE suppression (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    -- restricted, suppressed
    why TEXT NOT NULL,
    -- The identity type.
    kind TEXT NOT NULL,
    -- Whatever its owner calls it by: a ticket, the job of a privacy request.
    reference TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX suppression_account ON suppression (account_id, why, id);

-- The forms in which an identifier is recognized.
CREATE TABLE suppression_form (
    account_id BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    suppression_id BIGINT NOT NULL,
    -- The identifier itself is a hash.
    is_hash BIGINT NOT NULL,
    PRIMARY KEY (account_id, digest, suppression_id)
);
CREATE INDEX suppression_form_suppression ON suppression_form (suppression_id);

-- The key of all digests, sealed; one row.
CREATE TABLE suppression_key (
    id BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- Rises with every change, so that processes read a list again only when it is another.
CREATE TABLE suppression_version (
    account_id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
